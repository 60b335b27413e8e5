using System.Security.Cryptography;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The small files that are removed with evicted content, and the counts under random operations.</summary>
public sealed partial class EvictionTests
{
    [Fact]
    public async Task Link_of_evicted_blob_is_removed_unless_a_cached_manifest_names_the_blob()
    {
        var (own, named) = (await FetchAsync(), await FetchAsync(link: false));
        var manifest = VolumeRig.ManifestOf(named, Size);
        await Cached.CommitAsync(
            new([
                new Operation.LinkBlob(named, Size) { Parent = Digest.Of(manifest) },
                new Operation.StoreManifest(Digest.Of(manifest), manifest), new Operation.SetLive(TagName.Parse("v1"), Digest.Of(manifest)),
            ]),
            default);
        for (var i = 0; i < 5; i++) Assert.NotNull(Cached.ReadManifest(Digest.Of(manifest)));

        ShrinkTo(Folders + DiskCost.OfContent(manifest.Length) + (2 * DiskCost.Link) + DiskCost.Tag);
        await RemovedAsync();
        Assert.False(IsOnDisk(own) || IsOnDisk(named));
        Assert.Null(await Cached.ReadLinkAsync(own, LinkKind.Blob, default));
        Assert.Equal(Size, (await Cached.ReadLinkAsync(named, LinkKind.Blob, default))?.Size);
        Assert.Equal(Digest.Of(manifest), Cached.LiveOf(TagName.Parse("v1")));

        ShrinkTo(0);
        await RemovedAsync();
        Assert.Null(await Cached.ReadLinkAsync(named, LinkKind.Blob, default));
        Assert.Null(Cached.Live(TagName.Parse("v1")));
        Assert.Empty(Directory.GetFileSystemEntries(_rig.Volume.Roots.Cached.Repositories));
        Assert.Equal(0, Eviction.Bytes);
    }

    [Fact]
    public async Task Link_of_a_blob_stays_when_one_of_two_manifests_that_name_it_is_evicted()
    {
        var shared = await FetchAsync(link: false);
        var (first, second) = (VolumeRig.ManifestOf(shared, Size), VolumeRig.ManifestOf(shared, Size).Append((byte)' ').ToArray());
        foreach (var manifest in (byte[][])[first, second])
        {
            await Cached.CommitAsync(
                new([
                    new Operation.LinkBlob(shared, Size) { Parent = Digest.Of(manifest) },
                    new Operation.StoreManifest(Digest.Of(manifest), manifest),
                ]),
                default);
        }

        Eviction.Purge(Digest.Of(first));
        await RemovedAsync();

        Assert.Null(await Cached.ReadLinkAsync(Digest.Of(first), LinkKind.Manifest, default));
        Assert.Equal(Digest.Of(second), (await Cached.ReadLinkAsync(shared, LinkKind.Blob, default))?.Parent);

        Eviction.Purge(Digest.Of(second));
        await RemovedAsync();

        Assert.Null(await Cached.ReadLinkAsync(shared, LinkKind.Blob, default));
    }

    private async Task RemovedAsync()
    {
        while (Eviction.IsRemoving) await Task.Delay(5);
    }

    /// <summary>Concurrent random fetches of random sizes, reads, purges, changes of the limit, stops and kills.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Cache_stays_within_its_limit_and_counts_match_the_disk_under_random_operations(int seed)
    {
        var random = new Random(seed);
        // 64 KiB at most: one content of each worker fits at the same time, so that room can always be made.
        var contents = Enumerable.Range(0, 40).Select(i => RandomNumberGenerator.GetBytes(1 << (10 + random.Next(7)))).ToArray();
        Eviction.MaxBytes = 500_000;
        for (var round = 0; round < 12; round++)
        {
            var plans = Enumerable.Range(0, 4)
                .Select(worker => (Seed: random.Next(), Own: contents.Where((_, i) => i % 4 == worker).ToArray()));
            await Task.WhenAll(plans.ToArray().Select(plan => Task.Run(() => WorkAsync(new(plan.Seed), plan.Own))));
            await AssertCountedAsync();
            if (round % 4 == 1) await RestartAsync();
            if (round % 4 == 3) await _rig.KillAsync();
            await Eviction.Counted;
            Eviction.MaxBytes = 500_000;
            await AssertCountedAsync();
        }
    }

    private async Task WorkAsync(Random random, byte[][] own)
    {
        for (var step = 0; step < 40; step++)
        {
            var content = own[random.Next(own.Length)];
            var digest = Digest.Of(content);
            if (random.Next(10) == 0) Eviction.Purge(digest);
            else if (await Cached.OpenBlobAsync(digest, BlobUse.Whole, default) is Result<IContent>.Found found)
                await found.Value.DisposeAsync();
            else if (!IsOnDisk(digest)) await FetchAsync(content);
            Assert.InRange(Eviction.Bytes, 0, Eviction.MaxBytes);
        }
    }

    private async Task AssertCountedAsync()
    {
        await RemovedAsync();
        var root = _rig.Volume.Roots.Cached;
        var files = Disk.FilesBelow(root.Blobs, "data").ToArray();
        var links = Disk.FilesBelow(root.Repositories, "link").Count();
        var cost = files.Sum(file => DiskCost.OfContent(new FileInfo(file).Length)) + (links * DiskCost.Link) + (links > 0 ? Folders : 0);
        Assert.Equal((files.Length, cost), (Eviction.Count, Eviction.Bytes));
        Assert.InRange(Eviction.Bytes, 0, Eviction.MaxBytes);
    }
}
