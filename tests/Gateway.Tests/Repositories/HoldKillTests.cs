using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>What waits, over stops and kills.</summary>
public sealed class HoldKillTests : HoldCases
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_waits_outlives_a_stop_and_a_kill_and_is_published_after_it(bool kill)
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.RestartAsync(kill);
        Assert.Equal(("Hidden", digest.ToString()), (await PullerSees("v1"), await PusherSees("v1")));
        Assert.Equal(["v1"], Ok(await _rig.SignAsync(digest)).Value.Promoted.Select(t => t.Value));
        await _rig.RestartAsync(kill);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task A_publication_that_a_kill_cut_short_anywhere_is_whole_after_the_start(int seed)
    {
        var random = new Random(seed);
        var old = await PushSignedAsync("v1", "old");
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.PushAsync("latest", "one");
        var before = _rig.Files();
        var evidence = Ok(await _rig.SignAsync(digest)).Value.Digest;
        // The first loses all, the second nothing, the others some of it.
        await _rig.KillAsync(before, _ => seed switch { 1 => true, 2 => false, _ => random.Next(2) == 0 });
        Assert.Equal((digest.ToString(), digest.ToString()), (await PullerSees("v1"), await PullerSees("latest")));
        Assert.Equal((old.ToString(), evidence.ToString()), (await PullerSees(old.ToString()), await PullerSees(evidence.ToString())));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
        Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
        Assert.Equal([evidence], EvidenceNotes.List(_rig.Volume.Pushed(_rig.Repository.Name), digest));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_held_push_that_a_kill_cut_short_anywhere_waits_after_the_start_and_nothing_more(int seed)
    {
        var random = new Random(seed);
        var old = await PushSignedAsync("v1", "old");
        var before = _rig.Files();
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.KillAsync(before, _ => seed == 1 || random.Next(2) == 0);
        Assert.Equal((old.ToString(), "Hidden"), (await PullerSees("v1"), await PullerSees(digest.ToString())));
        Assert.Equal(digest.ToString(), await PusherSees("v1"));
        Assert.Equal(["v1"], Ok(await _rig.SignAsync(digest)).Value.Promoted.Select(t => t.Value));
    }
}
