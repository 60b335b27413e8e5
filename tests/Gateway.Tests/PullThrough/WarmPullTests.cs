using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>The allocations of a warm pull below the gate, counted and not timed.</summary>
public sealed class WarmPullTests
{
    private const int Pulls = 1000;

    /// <summary>
    /// Bytes of one read by tag beyond those of the store: the result, of 40 bytes, and an object of 24. The runtime keeps that one off the
    /// heap, unless other tests of this process have made it compile the calls for other types.
    /// </summary>
    private const long MostBytes = 40 + 24;

    [Fact]
    public async Task Warm_manifest_by_tag_allocates_its_result_and_nothing_else_above_the_store()
    {
        await using var rig = await Rig.StartAsync(o => o with { Tags = new() { Immutable = ["stable-*"] } });
        rig.Hub.AddImage(Rig.Name, "v1", ScriptedUpstream.Bytes(1000, seed: 81));
        await rig.PullTagAsync();
        var (tag, stored) = (TagName.Parse("v1"), rig.Volume.Cached("hub", RepositoryName.Parse(Rig.Name)));
        // Until the runtime has compiled the code of a pull for speed.
        var above = long.MaxValue;
        await Patience.UntilAsync(
            () => Task.FromResult((above = Math.Min(above, AboveTheStore())) <= MostBytes), () => $"{MostBytes} bytes, got {above}");

        long AboveTheStore() => BytesOf(() =>
        {
            var reading = rig.Backing.ReadTagAsync(tag, isForClient: true, default);
            Assert.True(reading.IsCompletedSuccessfully);
            Assert.NotNull(((Result<TaggedManifest>.Found)reading.Result).Value.Manifest);
        }) - BytesOf(() => stored.ReadManifest(stored.Live(tag)!.Live));
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(400, false)]
    public async Task Tag_is_read_with_its_manifest_only_while_it_is_fresh(int secondsLater, bool isRead)
    {
        await using var rig = await Rig.StartAsync(o => o with { Tags = new() { RevalidateAfter = TimeSpan.FromMinutes(5) } });
        var image = rig.Hub.AddImage(Rig.Name, "v1", ScriptedUpstream.Bytes(1000, seed: 82));
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromSeconds(secondsLater));
        var read = await rig.Backing.ReadTagAsync(TagName.Parse("v1"), isForClient: true, default);
        var (state, manifest) = Assert.IsType<Result<TaggedManifest>.Found>(read).Value;
        Assert.Equal((image.Digest, isRead), (state.Live.ToString(), manifest is not null));
    }

    private static long BytesOf(Action pull)
    {
        for (var i = 0; i < 100; i++) pull();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Pulls; i++) pull();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / Pulls;
    }
}
