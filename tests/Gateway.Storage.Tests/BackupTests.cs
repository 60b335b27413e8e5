using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Backups of a volume, and repairs of its journal.</summary>
public sealed class BackupTests : IAsyncLifetime
{
    private VolumeRig _rig = null!;

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    private string To => $"{_rig.Path}.backup";

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private static string DataIn(string volume, Digest digest) =>
        new Root($"{volume}/docker/registry/v2", Lifetime.Pushed).Data(digest);

    private Task<BackupReport> MakeAsync() => Task.Run(() => VolumeBackup.Make(_rig.Path, To, links: true, withCache: true, default));

    [Fact]
    public async Task Backup_never_adds_a_name_to_a_file_that_the_cache_has()
    {
        var shared = await VolumeRig.PushBlobAsync(Repository, "shared"u8.ToArray());
        var own = await VolumeRig.PushBlobAsync(Repository, "own"u8.ToArray());
        await _rig.Volume.Content.BorrowAsync(Lifetime.Cached, shared, 6, default);
        await MakeAsync();
        Assert.Equal(2u, Disk.Find(DataIn(_rig.Path, shared))!.Value.Names);
        Assert.Equal(2u, Disk.Find(DataIn(To, own))!.Value.Names);
        Assert.Equal(1u, Disk.Find(DataIn(To, shared))!.Value.Names);
        Assert.Equal(1u, Disk.Find(new Root($"{To}/gateway/cache/v2", Lifetime.Cached).Data(shared))!.Value.Names);
    }

    [Fact]
    public async Task Symbolic_links_to_files_are_left_out_and_rings_of_folders_end()
    {
        await VolumeRig.PushAsync(Repository, "v1", "config");
        var folder = $"{_rig.Path}/docker/registry/v2/repositories/team/app/_layers";
        File.CreateSymbolicLink($"{folder}/file", "/etc/hostname");
        Directory.CreateSymbolicLink($"{folder}/ring", folder);
        var report = await MakeAsync();
        Assert.Empty(report.Dropped);
        Assert.False(File.Exists($"{To}/docker/registry/v2/repositories/team/app/_layers/file"));
    }

    [Fact]
    public async Task Tag_that_lacks_a_blob_in_the_volume_too_is_copied_as_it_is()
    {
        await VolumeRig.PushAsync(Repository, "v1", "config");
        await Repository.CommitAsync(new([new Operation.RemoveBlob(Digest.Of("config"u8))]), default);
        Assert.Empty((await MakeAsync()).Dropped);
    }

    [Fact]
    public async Task Image_is_complete_only_with_its_blobs_and_an_index_with_its_manifests()
    {
        var child = await VolumeRig.PushAsync(Repository, "child", "config");
        var bytes = VolumeRig.Index(new Descriptor(MediaTypes.OciManifest, child, 1));
        await Repository.CommitAsync(new([new Operation.StoreManifest(Digest.Of(bytes), bytes)]), default);
        Assert.True(Completeness().HasAll(Digest.Of(bytes)));
        await Repository.CommitAsync(new([new Operation.RemoveBlob(Digest.Of("config"u8))]), default);
        Assert.True(Completeness().Has(child));
        Assert.False(Completeness().HasAll(child));
        Assert.False(Completeness().HasAll(Digest.Of(bytes)));

        Completeness Completeness() => new(_rig.Path, ["docker/registry/v2"], "docker/registry/v2", "team/app");
    }

    [Fact]
    public async Task Record_of_a_newer_version_is_no_damage_and_a_repair_refuses_it()
    {
        await VolumeRig.PushAsync(Repository, "v1", "config");
        await _rig.KillAsync(static volume =>
        {
            var segment = Journal.Segments($"{volume}/gateway/journal").Last();
            using var record = new MemoryStream();
            using var writer = new BinaryWriter(record, Encoding.UTF8);
            foreach (var part in (long[])[1_000_000, 0]) writer.Write(part);
            writer.Write("team/app");
            writer.Write(1);
            writer.Write((byte)250);
            var payload = record.ToArray();
            var covered = (byte[])[.. BitConverter.GetBytes(0L), .. payload];
            using var file = new FileStream(segment, FileMode.Append);
            file.Write([
                .. BitConverter.GetBytes(0x314A_5747u), .. BitConverter.GetBytes(payload.Length),
                .. BitConverter.GetBytes(Crc32C.Of(covered)), .. covered,
            ]);
        });
        Assert.Contains("newer version", _rig.Volume.Health.WhyNotReplayed, StringComparison.Ordinal);
        await _rig.Volume.DisposeAsync();
        var before = Journal.Segments($"{_rig.Path}/gateway/journal").Select(static segment => new FileInfo(segment).Length).Sum();
        var refused = Assert.ThrowsAny<IOException>(() => JournalRepair.Run(_rig.Path, write: true, TimeProvider.System));
        Assert.Contains("run that version", refused.Message, StringComparison.Ordinal);
        Assert.Equal(
            before, Journal.Segments($"{_rig.Path}/gateway/journal").Select(static segment => new FileInfo(segment).Length).Sum());
        await _rig.StartAsync();
    }
}
