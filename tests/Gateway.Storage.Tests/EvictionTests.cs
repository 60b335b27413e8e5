using System.Security.Cryptography;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed partial class EvictionTests : IAsyncLifetime
{
    private const int Size = 100_000;

    /// <summary>The disk space of one blob with its link, and of the repository's own folders.</summary>
    private const long Cost = ((Size + DiskCost.Block - 1) / DiskCost.Block * DiskCost.Block) + DiskCost.Block + DiskCost.Link;

    private const long Folders = DiskCost.Repository;

    private VolumeRig _rig = null!;

    private StoredRepository Cached => _rig.Volume.Cached("docker.io", VolumeRig.Name);

    private Eviction Eviction => _rig.Volume.Eviction;

    public async ValueTask InitializeAsync()
    {
        _rig = await VolumeRig.OpenAsync();
        await Eviction.Counted;
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private async Task<Digest> FetchAsync(byte[]? content = null, bool link = true)
    {
        var bytes = content ?? RandomNumberGenerator.GetBytes(Size);
        var digest = Digest.Of(bytes);
        await using (var part = _rig.Volume.Fetches.Open(digest, bytes.Length)!)
        {
            part.Write(0, bytes);
            await part.PublishAsync(bytes.Length, default);
        }
        if (link) await Cached.CommitAsync(new([new Operation.LinkBlob(digest, bytes.Length)]), default);
        return digest;
    }

    private async Task<bool> IsThereAsync(Digest digest) => await VolumeRig.ReadAsync(Cached, digest) != "absent";

    private bool IsOnDisk(Digest digest) => _rig.Volume.FindContent(digest, size: -1) is not null;

    private void ShrinkTo(long bytes)
    {
        Eviction.MaxBytes = bytes;
        Eviction.MakeRoom(0);
    }

    private async Task RestartAsync()
    {
        await _rig.RestartAsync();
        await Eviction.Counted;
    }

    [Fact]
    public async Task Least_recently_used_content_is_evicted_first_and_no_more_than_needed()
    {
        var (first, second, third) = (await FetchAsync(), await FetchAsync(), await FetchAsync());
        Assert.True(await IsThereAsync(second));
        ShrinkTo(Folders + (Cost * 2) + 1);
        Assert.Equal((false, true, true), (IsOnDisk(first), IsOnDisk(second), IsOnDisk(third)));
        Assert.Equal(Folders + (Cost * 2), Eviction.Bytes);
    }

    [Fact]
    public async Task New_content_evicts_old_content_to_stay_within_the_limit()
    {
        Eviction.MaxBytes = Folders + (Cost * 3);
        var fetched = new List<Digest>();
        for (var i = 0; i < 10; i++)
        {
            fetched.Add(await FetchAsync());
            Assert.InRange(Eviction.Bytes, 1, Folders + (Cost * 3));
        }
        Assert.Equal(fetched[^3..], fetched.Where(IsOnDisk));
    }

    [Fact]
    public async Task Content_larger_than_the_limit_is_not_stored_and_evicts_nothing()
    {
        var small = await FetchAsync();
        Eviction.MaxBytes = Folders + (Cost * 2);
        Assert.Null(_rig.Volume.Fetches.Open(Digest.Of("large"u8), Folders + (Cost * 2) + 1));
        Assert.True(IsOnDisk(small));
    }

    [Fact]
    public async Task Content_that_is_purged_while_it_is_fetched_is_not_kept()
    {
        var bytes = RandomNumberGenerator.GetBytes(Size);
        await using var part = _rig.Volume.Fetches.Open(Digest.Of(bytes), bytes.Length)!;
        part.Write(0, bytes);
        _rig.Volume.CachedRepositories.RemoveBytes(Digest.Of(bytes));

        await Assert.ThrowsAsync<IOException>(() => part.PublishAsync(bytes.Length, default).AsTask());

        Assert.False(IsOnDisk(Digest.Of(bytes)));
        Assert.Equal(0, Eviction.Count);
        // The next fetch is kept.
        Assert.True(IsOnDisk(await FetchAsync(bytes)));
    }

    [Fact]
    public async Task Evicted_content_leaves_no_folder_behind()
    {
        var digest = await FetchAsync();
        var folder = Path.GetDirectoryName(_rig.Volume.Roots.Cached.Data(digest))!;
        Assert.True(Directory.Exists(folder));
        ShrinkTo(0);
        Assert.False(Directory.Exists(folder));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_rig.Path, "gateway/tmp")));
    }

    [Fact]
    public async Task Pushed_copy_of_cached_content_survives_eviction()
    {
        var bytes = RandomNumberGenerator.GetBytes(Size);
        var kept = _rig.Volume.Pushed(VolumeRig.Name);
        var blob = await VolumeRig.PushBlobAsync(kept, bytes);
        await FetchAsync(bytes);
        ShrinkTo(0);
        Assert.Equal(0, Eviction.Bytes);
        Assert.False(File.Exists(_rig.Volume.Roots.Cached.Data(blob)));
        Assert.NotEqual("absent", await VolumeRig.ReadAsync(kept, blob));
    }

    [Fact]
    public async Task Blob_mounted_from_the_cache_is_not_counted_and_survives_eviction_and_restart()
    {
        var digest = await FetchAsync();
        var kept = _rig.Volume.Pushed(VolumeRig.Name);
        await kept.CommitAsync(new([new Operation.LinkBlob(digest, Size)]), default);
        // Its link in the cached repository stays.
        Assert.Equal((0, Folders + DiskCost.Link), (Eviction.Count, Eviction.Bytes));
        await RestartAsync();
        Assert.Equal((0, Folders + DiskCost.Link), (Eviction.Count, Eviction.Bytes));
        ShrinkTo(0);
        Directory.Delete(_rig.Volume.Roots.Cached.Blobs, recursive: true);
        Assert.NotEqual("absent", await VolumeRig.ReadAsync(_rig.Volume.Pushed(VolumeRig.Name), digest));
    }

    [Fact]
    public async Task Mount_of_evicted_content_fails()
    {
        var kept = _rig.Volume.Pushed(VolumeRig.Name);
        var gone = Digest.Of("evicted just now"u8);
        await Assert.ThrowsAsync<FileNotFoundException>(
            async () => await kept.CommitAsync(new([new Operation.LinkBlob(gone, 16)]), default));
        Assert.Null(await kept.ReadLinkAsync(gone, LinkKind.Blob, default));
    }

    [Fact]
    public async Task Content_being_read_is_passed_over_and_other_content_is_evicted()
    {
        var (read, other) = (await FetchAsync(), await FetchAsync());
        var found = Assert.IsType<Result<IContent>.Found>(await Cached.OpenBlobAsync(read, BlobUse.Whole, default));
        ShrinkTo(Folders + Cost);
        Assert.Equal((true, false), (IsOnDisk(read), IsOnDisk(other)));
        await found.Value.DisposeAsync();
        ShrinkTo(0);
        Assert.False(IsOnDisk(read));
    }

    [Fact]
    public async Task Content_being_read_is_passed_over_although_it_is_next_for_eviction()
    {
        Eviction.MaxBytes = Folders + (2 * Cost);
        var (read, other) = (await FetchAsync(), await FetchAsync());
        var found = Assert.IsType<Result<IContent>.Found>(await Cached.OpenBlobAsync(read, BlobUse.Whole, default));
        for (var i = 0; i < 3; i++) Assert.True(await IsThereAsync(other));

        var next = await FetchAsync();

        Assert.Equal((true, false, true), (IsOnDisk(read), IsOnDisk(other), IsOnDisk(next)));
        Assert.Equal(Folders + (2 * Cost), Eviction.Bytes);
        await found.Value.DisposeAsync();
    }

    [Fact]
    public async Task New_content_is_not_stored_while_all_evictable_content_is_being_read()
    {
        Eviction.MaxBytes = Folders + Cost;
        var read = await FetchAsync();
        var found = Assert.IsType<Result<IContent>.Found>(await Cached.OpenBlobAsync(read, BlobUse.Whole, default));
        await Assert.ThrowsAsync<IOException>(() => FetchAsync());
        Assert.Equal(Folders + Cost, Eviction.Bytes);
        await found.Value.DisposeAsync();
        Assert.True(IsOnDisk(await FetchAsync()));
    }

    [Fact]
    public async Task Reader_of_purged_content_can_read_it_to_the_end()
    {
        var digest = await FetchAsync();
        var found = Assert.IsType<Result<IContent>.Found>(await Cached.OpenBlobAsync(digest, BlobUse.Whole, default));
        Assert.Equal(Size, Eviction.Purge(digest));
        Assert.False(await IsThereAsync(digest));
        var writer = new MemoryBodyWriter();
        await found.Value.CopyToAsync(writer, 0, null, default);
        await found.Value.DisposeAsync();
        Assert.Equal(digest, Digest.Of(writer.ToArray()));
        Assert.Equal((0, 0L), (Eviction.Count, Eviction.Bytes));
    }

    [Fact]
    public async Task Cached_manifests_are_counted_and_evicted()
    {
        var bytes = VolumeRig.ManifestOf(Digest.Of("config"u8), 6);
        await Cached.CommitAsync(new([new Operation.StoreManifest(Digest.Of(bytes), bytes)]), default);
        var cost = Folders + DiskCost.OfContent(bytes.Length) + DiskCost.Link;
        Assert.Equal((1, cost), (Eviction.Count, Eviction.Bytes));
        await RestartAsync();
        Assert.Equal((1, cost), (Eviction.Count, Eviction.Bytes));
        ShrinkTo(0);
        Assert.Null(Cached.ReadManifest(Digest.Of(bytes)));
    }

    [Fact]
    public async Task Use_counts_survive_a_restart()
    {
        var (used, later) = (await FetchAsync(), await FetchAsync());
        for (var i = 0; i < 3; i++) Assert.True(await IsThereAsync(used));
        await RestartAsync();
        Assert.Equal(Folders + (Cost * 2), Eviction.Bytes);
        ShrinkTo(Folders + Cost);
        Assert.Equal((true, false), (IsOnDisk(used), IsOnDisk(later)));
    }

    [Fact]
    public async Task Without_lookup_index_all_content_is_counted_and_the_oldest_file_is_evicted_first()
    {
        var (older, newer) = (await FetchAsync(), await FetchAsync());
        File.SetLastWriteTimeUtc(_rig.Volume.Roots.Cached.Data(newer), DateTime.UtcNow);
        File.SetLastWriteTimeUtc(_rig.Volume.Roots.Cached.Data(older), DateTime.UtcNow.AddDays(-1));
        await _rig.KillAsync(copy => Directory.Delete(Path.Combine(copy, "gateway/index"), recursive: true));
        await Eviction.Counted;
        Assert.Equal((2, Folders + (Cost * 2)), (Eviction.Count, Eviction.Bytes));
        ShrinkTo(Folders + Cost);
        Assert.Equal((false, true), (IsOnDisk(older), IsOnDisk(newer)));
    }

    [Fact]
    public async Task Free_space_request_evicts_nothing_unless_it_can_be_met()
    {
        var (first, second) = (await FetchAsync(), await FetchAsync());
        Assert.False(Eviction.TryFree(Folders + (Cost * 2) + 1));
        Assert.True(IsOnDisk(first) && IsOnDisk(second));
        Assert.True(Eviction.TryFree(Size));
        Assert.Equal((false, true), (IsOnDisk(first), IsOnDisk(second)));
    }

    [Fact]
    public async Task Fetch_below_the_free_space_limit_reserves_nothing_and_evicts_nothing()
    {
        var there = await FetchAsync();
        _rig.Volume.Health.KeepFree = long.MaxValue;
        Assert.Null(_rig.Volume.Fetches.Open(Digest.Of("x"u8), 1));
        Assert.Empty(Directory.GetFiles(Path.Combine(_rig.Path, "gateway/fetches")));
        Assert.True(IsOnDisk(there));
    }

    /// <summary>The disk space of a manifest of some hundred bytes is that of its files and folders, and eviction counts it.</summary>
    [Fact]
    public async Task Many_small_manifests_stay_within_the_disk_limit()
    {
        Eviction.MaxBytes = 1_000_000;
        for (var i = 0; i < 100; i++)
        {
            var bytes = VolumeRig.ManifestOf(Digest.Of("config"u8), i + 2);
            var digest = Digest.Of(bytes);
            await Cached.CommitAsync(
                new([
                    new Operation.LinkBlob(Digest.Of(BitConverter.GetBytes(i)), 2) { Parent = digest },
                    new Operation.StoreManifest(digest, bytes), new Operation.SetLive(TagName.Parse($"v{i}"), digest),
                ]),
                default);
            Assert.InRange(Eviction.Bytes, 1, Eviction.MaxBytes);
        }
        await RemovedAsync();
        Assert.InRange(OnDisk(), 1, Eviction.MaxBytes);
        await RestartAsync();
        Assert.InRange(Eviction.Bytes, OnDisk() - DiskCost.Repository, Eviction.MaxBytes);
    }

    /// <summary>The disk space of all files and folders of the cached repositories, and of the contents, in blocks of 4 KiB.</summary>
    private long OnDisk() => (string[])[_rig.Volume.Roots.Cached.Repositories, _rig.Volume.Roots.Cached.Blobs] is var roots
        ? roots.SelectMany(static root => new DirectoryInfo(root).EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
            // The two-letter folders of the contents stay: at most 256.
            .Where(static entry => entry is not DirectoryInfo { Name.Length: 2 })
            .Sum(static entry => entry is FileInfo file ? DiskCost.OfFile(file.Length) : DiskCost.Block)
        : 0;
}
