using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>The allocations of a warm pull below the gate, counted and not timed.</summary>
public sealed class WarmPullTests
{
    private const int Pulls = 1000;

    /// <summary>Bytes of one resolve and one read beyond those of the store: the two results, of 32 bytes each (measured).</summary>
    private const long MostBytes = 64;

    [Fact]
    public async Task Warm_manifest_by_tag_allocates_its_two_results_and_nothing_else_above_the_store()
    {
        await using var rig = await Rig.StartAsync(o => o with { Tags = new() { Immutable = ["stable-*"] } });
        rig.Hub.AddImage(Rig.Name, "v1", ScriptedUpstream.Bytes(1000, seed: 81));
        await rig.PullTagAsync();
        var (tag, stored) = (TagName.Parse("v1"), rig.Volume.Cached("hub", RepositoryName.Parse(Rig.Name)));
        var inStore = BytesOf(() => stored.ReadManifest(stored.Live(tag)!.Live));
        var all = BytesOf(() =>
        {
            var resolving = rig.Backing.ResolveAsync(tag, default);
            Assert.True(resolving.IsCompletedSuccessfully);
            var reading = rig.Backing.ReadManifestAsync(((Result<TagState>.Found)resolving.Result).Value.Live, default);
            Assert.True(reading.IsCompletedSuccessfully);
            _ = (Result<StoredManifest>.Found)reading.Result;
        });
        Assert.True(all - inStore <= MostBytes, $"expected at most {MostBytes} bytes above the {inStore} of the store, got {all - inStore}");
    }

    private static long BytesOf(Action pull)
    {
        for (var i = 0; i < 100; i++) pull();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Pulls; i++) pull();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / Pulls;
    }
}
