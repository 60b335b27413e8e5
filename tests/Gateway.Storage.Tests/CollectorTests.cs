using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a collection removes from a volume, and what it never removes.</summary>
public sealed class CollectorTests : IAsyncLifetime
{
    private static readonly TimeSpan Grace = TimeSpan.FromHours(1);

    private readonly AdvancedClock _clock = new();
    private VolumeRig _rig = null!;

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync(_clock);

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private Task<CollectionReport> CollectAsync(bool dryRun = false, TimeSpan? untagged = null, int maxSlots = DigestSet.MaxSlots)
    {
        _rig.Volume.Collector.MaxSlots = maxSlots;
        return _rig.Volume.Collector.RunAsync(
            new(dryRun, untagged, new HashSet<string>()), static _ => { }, CancellationToken.None);
    }

    private Task<CollectionReport> LaterAsync(bool dryRun = false, TimeSpan? untagged = null, int maxSlots = DigestSet.MaxSlots)
    {
        _clock.Advance(2 * Grace);
        return CollectAsync(dryRun, untagged, maxSlots);
    }

    private static CollectedRoot Pushed(CollectionReport report) => report.Roots.Single(static root => root.Root == "pushed");

    private static Digest ConfigOf(string text) => Digest.Of(Encoding.UTF8.GetBytes(text));

    private Task<CommitResult> CommitAsync(params Operation[] operations) => Repository.CommitAsync(new([.. operations]), default).AsTask();

    private static bool IsThere(StoredRepository repository, Digest digest) => repository.ReadManifest(digest) is not null;

    [Fact]
    public async Task Content_of_deleted_manifest_is_removed_after_the_grace_time()
    {
        await VolumeRig.PushAsync(Repository, "kept", "kept");
        var gone = await VolumeRig.PushAsync(Repository, "gone", "gone");
        await CommitAsync(new Operation.RemoveManifest(gone));
        Assert.Equal(0, Pushed(await CollectAsync()).Contents);
        var report = await LaterAsync();
        Assert.Equal((0, 1, 2), (Pushed(report).Manifests, Pushed(report).Links, Pushed(report).Contents));
        Assert.Equal("absent", await VolumeRig.ReadAsync(Repository, ConfigOf("gone")));
        Assert.Equal("kept", await VolumeRig.ReadAsync(Repository, ConfigOf("kept")));
        Assert.False(File.Exists(_rig.Volume.Roots.Pushed.Data(gone)));
    }

    [Fact]
    public async Task Dry_run_reports_the_same_and_removes_nothing()
    {
        var gone = await VolumeRig.PushAsync(Repository, "gone", "gone");
        await CommitAsync(new Operation.RemoveManifest(gone));
        var before = await LaterAsync(dryRun: true);
        Assert.Equal("gone", await VolumeRig.ReadAsync(Repository, ConfigOf("gone")));
        var done = await CollectAsync();
        Assert.Equal((before.Bytes, Pushed(before)), (done.Bytes, Pushed(done)));
        Assert.Equal(before.Items, done.Items);
        Assert.True(before.Bytes > 0);
    }

    [Fact]
    public async Task Nothing_is_collected_within_the_grace_time_after_a_start()
    {
        var gone = await VolumeRig.PushAsync(Repository, "gone", "gone");
        await CommitAsync(new Operation.RemoveManifest(gone));
        _clock.Advance(2 * Grace);
        await _rig.RestartAsync();
        var report = await CollectAsync();
        Assert.Equal((0, 0), (Pushed(report).Links, Pushed(report).Contents));
        Assert.Contains(report.Notes, static note => note.Contains("gc.grace", StringComparison.Ordinal));
        Assert.Equal(2, Pushed(await LaterAsync()).Contents);
    }

    [Fact]
    public async Task Blob_that_a_client_found_stays_for_another_grace_time()
    {
        var blob = await VolumeRig.PushBlobAsync(Repository, "blob"u8.ToArray());
        _clock.Advance(2 * Grace);
        Assert.True(await Repository.HasBytesAsync(LinkKind.Blob, blob, 4, default));
        Assert.Equal(0, Pushed(await CollectAsync()).Contents);
        Assert.Equal("blob", await VolumeRig.ReadAsync(Repository, blob));
        Assert.Equal(1, Pushed(await LaterAsync()).Contents);
    }

    [Fact]
    public async Task Bytes_stay_while_another_repository_links_them()
    {
        var other = _rig.Volume.Pushed(RepositoryName.Parse("team/other"));
        var gone = await VolumeRig.PushAsync(Repository, "gone", "shared");
        var kept = await VolumeRig.PushAsync(other, "kept", "shared");
        await CommitAsync(new Operation.RemoveManifest(gone));
        var report = await LaterAsync();
        Assert.Equal((1, 0), (Pushed(report).Links, Pushed(report).Contents));
        Assert.Equal("absent", await VolumeRig.ReadAsync(Repository, ConfigOf("shared")));
        Assert.Equal("shared", await VolumeRig.ReadAsync(other, ConfigOf("shared")));
        Assert.True(IsThere(other, kept));
    }

    [Fact]
    public async Task Untagged_manifest_stays_until_asked_and_old_enough()
    {
        var first = await VolumeRig.PushAsync(Repository, "v1", "first");
        var second = await VolumeRig.PushAsync(Repository, "v1", "second");
        Assert.Equal(0, Pushed(await LaterAsync()).Manifests);
        Assert.Equal(0, Pushed(await CollectAsync(untagged: TimeSpan.FromDays(1))).Manifests);
        Assert.True(IsThere(Repository, first));
        Assert.Equal(1, Pushed(await CollectAsync(dryRun: true, untagged: Grace)).Manifests);
        var report = await CollectAsync(untagged: Grace);
        Assert.Equal((1, 1, 2), (Pushed(report).Manifests, Pushed(report).Links, Pushed(report).Contents));
        Assert.False(IsThere(Repository, first));
        Assert.True(IsThere(Repository, second));
    }

    [Fact]
    public async Task Children_live_as_long_as_an_index_names_them_and_go_with_it()
    {
        var child = await VolumeRig.PushAsync(Repository, "child", "child");
        var bytes = VolumeRig.Index(new Descriptor(MediaTypes.OciManifest, child, 1));
        var index = Digest.Of(bytes);
        await CommitAsync(
            new Operation.StoreManifest(index, bytes), new Operation.SetLive(TagName.Parse("v1"), index),
            new Operation.RemoveTag(TagName.Parse("child")));
        Assert.Equal(0, Pushed(await LaterAsync(untagged: Grace)).Manifests);
        Assert.True(IsThere(Repository, child));
        await CommitAsync(new Operation.RemoveTag(TagName.Parse("v1")));
        Assert.Equal(2, Pushed(await LaterAsync(dryRun: true, untagged: Grace)).Manifests);
        Assert.Equal((2, 3), (Pushed(await CollectAsync(untagged: Grace)).Manifests, 3));
        Assert.False(IsThere(Repository, child));
    }

    [Fact]
    public async Task Evidence_lives_as_long_as_its_subject_and_goes_after_it()
    {
        var subject = await VolumeRig.PushAsync(Repository, "v1", "subject");
        var descriptor = new Descriptor(MediaTypes.OciManifest, subject, 1);
        var referrer = await VolumeRig.PushAsync(Repository, "temporary", "referrer", descriptor);
        var tagged = await VolumeRig.PushAsync(Repository, $"sha256-{subject.Hex}.sig", "signature");
        await CommitAsync(new Operation.RemoveTag(TagName.Parse("temporary")), new Operation.AddEvidence(subject, tagged));
        Assert.Equal(0, Pushed(await LaterAsync(untagged: TimeSpan.FromMinutes(1))).Manifests);
        Assert.True(IsThere(Repository, referrer) && IsThere(Repository, tagged));

        await CommitAsync(new Operation.RemoveManifest(subject));
        Assert.Equal(0, Pushed(await CollectAsync()).Manifests);
        Assert.True(IsThere(Repository, referrer) && IsThere(Repository, tagged));
        var report = await LaterAsync();
        Assert.Equal(2, Pushed(report).Manifests);
        Assert.False(IsThere(Repository, referrer) || IsThere(Repository, tagged));
        Assert.Equal(4, Pushed(report).Contents);
        Assert.Equal(0, Pushed(await LaterAsync()).Manifests);
    }

    [Fact]
    public async Task Evidence_of_a_subject_that_was_pushed_again_or_never_was_here_stays()
    {
        var elsewhere = new Descriptor(MediaTypes.OciManifest, Digest.Of("elsewhere"u8), 1);
        var lone = await VolumeRig.PushAsync(Repository, "temporary", "lone", elsewhere);
        var subject = await VolumeRig.PushAsync(Repository, "v1", "subject");
        var referrer = await VolumeRig.PushAsync(
            Repository, "temporary2", "referrer", new Descriptor(MediaTypes.OciManifest, subject, 1));
        await CommitAsync(
            new Operation.RemoveTag(TagName.Parse("temporary")), new Operation.RemoveTag(TagName.Parse("temporary2")),
            new Operation.RemoveManifest(subject));
        await VolumeRig.PushAsync(Repository, "v1", "subject");
        Assert.Equal(0, Pushed(await LaterAsync(untagged: TimeSpan.FromMinutes(1))).Manifests);
        Assert.True(IsThere(Repository, referrer) && IsThere(Repository, lone));
    }

    [Fact]
    public async Task Blobs_of_a_repository_with_an_unreadable_manifest_stay()
    {
        var broken = await VolumeRig.PushAsync(Repository, "broken", "broken");
        await VolumeRig.PushBlobAsync(Repository, "unnamed"u8.ToArray());
        await _rig.Volume.DisposeAsync();
        File.WriteAllText(Path.Combine(_rig.Path, $"docker/registry/v2/blobs/sha256/{broken.Hex[..2]}/{broken.Hex}/data"), "{}");
        await _rig.StartAsync();
        var report = await LaterAsync();
        Assert.Equal((0, 0), (Pushed(report).Links, Pushed(report).Contents));
        Assert.Contains(report.Notes, static note => note.Contains("team/app: 1 manifests cannot be read", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Store_with_more_digests_than_the_table_has_room_for_is_collected_in_several_walks()
    {
        for (var i = 0; i < 60; i++) await VolumeRig.PushAsync(Repository, $"v{i}", $"kept {i}");
        var gone = new List<Digest>();
        for (var i = 0; i < 20; i++) gone.Add(await VolumeRig.PushAsync(Repository, "gone", $"gone {i}"));
        foreach (var digest in gone) await CommitAsync(new Operation.RemoveManifest(digest));
        var report = await LaterAsync(maxSlots: 16);
        Assert.Equal((20, 40), (Pushed(report).Links, Pushed(report).Contents));
        for (var i = 0; i < 60; i++) Assert.Equal($"kept {i}", await VolumeRig.ReadAsync(Repository, ConfigOf($"kept {i}")));
    }

    [Fact]
    public async Task Collected_blob_can_be_pushed_again()
    {
        var blob = await VolumeRig.PushBlobAsync(Repository, "blob"u8.ToArray());
        Assert.Equal(1, Pushed(await LaterAsync()).Contents);
        Assert.False(await Repository.HasBytesAsync(LinkKind.Blob, blob, 4, default));
        await VolumeRig.PushAsync(Repository, "v1", "blob");
        Assert.Equal("blob", await VolumeRig.ReadAsync(Repository, blob));
        await _rig.KillAsync();
        Assert.Equal("blob", await VolumeRig.ReadAsync(Repository, blob));
    }

    [Fact]
    public async Task Reader_of_a_collected_blob_reads_to_its_end()
    {
        var blob = await VolumeRig.PushBlobAsync(Repository, "blob"u8.ToArray());
        _clock.Advance(2 * Grace);
        var found = Assert.IsType<Result<IContent>.Found>(await Repository.OpenBlobAsync(blob, BlobUse.Whole, default));
        Assert.Equal(1, Pushed(await CollectAsync()).Contents);
        await using var content = found.Value;
        var writer = new MemoryBodyWriter();
        await content.CopyToAsync(writer, 0, null, default);
        Assert.Equal("blob"u8.ToArray(), writer.ToArray());
    }
}
