using System.Diagnostics;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The allocations of a warm pull's lookups. The bounds are the measured values, with room for a small object.</summary>
public sealed class AllocationTests : IAsyncLifetime
{
    private const int Rounds = 1000;

    private VolumeRig _rig = null!;

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Warm_lookups_of_tag_manifest_and_blob_allocate_almost_nothing()
    {
        var repository = Repository;
        var digest = await VolumeRig.PushAsync(repository, "v1", "one");
        var blob = repository.ReadManifest(digest)!.Manifest.Blobs.First();
        await repository.CommitAsync(new([new Operation.LinkBlob(blob.Digest, blob.Size) { Parent = digest }]), default);
        var tag = TagName.Parse("v1");
        await CheckAsync("tag", 0, () => repository.Live(tag));
        await CheckAsync("manifest", 0, () => repository.ReadManifest(digest));
        await CheckAsync("link of a blob with its parent", 0, () => repository.FindLink(LinkKind.Blob, blob.Digest)!.Value.Parent);
    }

    [Fact]
    public async Task Warm_blob_of_a_bucket_is_opened_as_cheaply_as_one_of_the_disk()
    {
        var bytes = new byte[100_000];
        var bucket = new MemoryBucket();
        await using var other = await VolumeRig.OpenAsync(
            openPushed: copies => new BucketContents(bucket, "", copies, TimeProvider.System));
        var digest = Digest.Of(bytes);
        foreach (var volume in (Volume[])[_rig.Volume, other.Volume])
            await VolumeRig.PushBlobAsync(volume.Pushed(VolumeRig.Name), bytes);
        await Patience.UntilAsync(
            () => Task.FromResult(File.Exists(other.Volume.Roots.Cached.Data(digest))), () => "the pushed blob is on the disk");
        // An object for the reader.
        await CheckAsync("blob of the disk", 64, () => Open(_rig.Volume));
        await CheckAsync("blob of a bucket", 64, () => Open(other.Volume));

        bool Open(Volume volume)
        {
            var opening = volume.Content.OpenAsync(Lifetime.Pushed, digest, digest, bytes.Length, default);
            return opening.IsCompletedSuccessfully && opening.Result.Content!.DisposeAsync().AsTask().IsCompletedSuccessfully;
        }
    }

    // Code that is not compiled in its last form yet allocates more: it boxes what that form does not.
    private static async Task CheckAsync<T>(string what, long most, Func<T> look)
    {
        var bytes = long.MaxValue;
        await Patience.UntilAsync(
            () => Task.FromResult((bytes = Math.Min(bytes, BytesOf(what, look))) <= most), () => $"{most} bytes for a {what}, got {bytes}");
    }

    private static long BytesOf<T>(string what, Func<T> look)
    {
        for (var i = 0; i < Rounds; i++) look();
        var (before, started) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.GetTimestamp());
        for (var i = 0; i < Rounds; i++) look();
        var bytes = (GC.GetAllocatedBytesForCurrentThread() - before) / Rounds;
        TestContext.Current.SendDiagnosticMessage(
            $"{what}: {bytes} bytes, {Stopwatch.GetElapsedTime(started).TotalNanoseconds / Rounds:0} ns");
        return bytes;
    }
}
