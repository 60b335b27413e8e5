using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Held pushes across stops and kills.</summary>
public sealed class HoldKillTests : HoldCases
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Held_push_survives_a_stop_and_a_kill_and_is_released_afterwards(bool kill)
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
    public async Task Release_that_is_interrupted_by_a_kill_is_complete_after_the_restart(int seed)
    {
        var random = new Random(seed);
        var old = await PushSignedAsync("v1", "old");
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.PushAsync("latest", "one");
        var before = _rig.Files();
        var evidence = Ok(await _rig.SignAsync(digest)).Value.Digest;
        // The first kill loses everything, the second nothing, the others a part.
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
    public async Task Held_push_that_is_interrupted_by_a_kill_is_held_and_not_live_after_the_restart(int seed)
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
