using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>An administrator releases or drops a held push without evidence.</summary>
public sealed class HoldReleaseTests : HoldCases
{
    private static readonly Caller Chief = new("chief", AccessActions.All | AccessActions.Admin);
    private static readonly TagName Tag = TagName.Parse("v1");

    [Fact]
    public async Task Released_push_is_live_for_pullers_and_its_release_is_noted()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");

        var answer = await _rig.Repository.ReleaseHeldAsync(Chief, Tag, null, "the key is lost", default);

        Assert.Equal(digest, Assert.IsType<Answer<HeldPush>.Found>(answer).Value.Digest);
        Assert.Equal((digest.ToString(), digest.ToString()), (await PullerSees("v1"), await PullerSees(digest.ToString())));
        Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
        var release = _rig.Volume.Pushed(_rig.Repository.Name).ReleaseOf(digest)!;
        Assert.Equal(("chief", "the key is lost"), (release.Actor, release.Reason));
        var explained = await _rig.Repository.DryRun.ExplainAsync(new(Tag), Stage.Pull, default);
        Assert.Equal(["released by chief"], explained!.Verdict.ExceptionsUsed);
    }

    [Fact]
    public async Task Held_push_whose_manifest_cannot_be_read_is_unavailable_to_pullers_and_not_absent()
    {
        await _rig.PushAsync("v1", "one");
        var away = _rig.Over(_rig.Repository.Name.Value, new Away(_rig.Volume.Pushed(_rig.Repository.Name)));
        Assert.IsType<Answer<StoredManifest>.Unavailable>(await away.GetManifestAsync(HoldRig.Puller, new(Tag), default));
    }

    /// <summary>Of a bucket that does not answer.</summary>
    private sealed class Away(IBacking inner) : DelegatingBacking(inner)
    {
        public override ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) =>
            ValueTask.FromResult<Result<StoredManifest>>(new Result<StoredManifest>.Unavailable(null, "away", CacheHandling.Local));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Release_survives_a_restart(bool kill)
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.Repository.ReleaseHeldAsync(Chief, Tag, null, "tested by hand", default);

        await _rig.RestartAsync(kill);

        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task Release_is_for_one_manifest_and_ends_with_it()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.Repository.ReleaseHeldAsync(Chief, Tag, null, "tested by hand", default);
        await _rig.PushAsync("v2", "two");
        Assert.Equal("Hidden", await PullerSees("v2"));

        await _rig.Repository.DeleteManifestAsync(Chief, new(digest), default);
        Assert.Null(_rig.Volume.Pushed(_rig.Repository.Name).ReleaseOf(digest));
        await _rig.PushAsync("v1", "one");
        Assert.Equal("Hidden", await PullerSees("v1"));
    }

    [Fact]
    public async Task Release_does_not_lift_a_rule_that_refuses()
    {
        await _rig.PushAsync("v1", "one");
        await _rig.Repository.ReleaseHeldAsync(Chief, Tag, null, "tested by hand", default);

        _rig.Reload(_rig.Policy! with { Rules = [HoldRig.Rule(OnMissing.Deny)] });

        Assert.Equal("Hidden", await PullerSees("v1"));
    }

    [Fact]
    public async Task Push_that_replaced_the_one_that_was_looked_at_is_neither_released_nor_dropped()
    {
        var (seen, _) = await _rig.PushAsync("v1", "one");
        var (swapped, _) = await _rig.PushAsync("v1", "two");

        var answer = await _rig.Repository.ReleaseHeldAsync(Chief, Tag, seen, "tested by hand", default);

        Assert.Contains($"got {swapped}", Assert.IsType<Answer<HeldPush>.Invalid>(answer).Message, StringComparison.Ordinal);
        Assert.IsType<Answer<HeldPush>.Invalid>(await _rig.Repository.DropHeldAsync(Chief, Tag, seen, default));
        Assert.Equal(("Hidden", swapped.ToString()), (await PullerSees("v1"), await PusherSees("v1")));
        Assert.Null(_rig.Volume.Pushed(_rig.Repository.Name).ReleaseOf(swapped));
        Assert.IsType<Answer<HeldPush>.Found>(await _rig.Repository.ReleaseHeldAsync(Chief, Tag, swapped, "tested by hand", default));
    }

    [Fact]
    public async Task Dropped_push_is_gone_and_its_tag_stays_as_it_was()
    {
        var (live, _) = await _rig.PushAsync("v1", "one");
        await _rig.SignAsync(live);
        await _rig.PushAsync("v1", "two");

        Assert.IsType<Answer<HeldPush>.Found>(await _rig.Repository.DropHeldAsync(Chief, Tag, null, default));

        Assert.Equal((live.ToString(), live.ToString()), (await PullerSees("v1"), await PusherSees("v1")));
        Assert.IsType<Answer<HeldPush>.Absent>(await _rig.Repository.DropHeldAsync(Chief, Tag, null, default));
    }

    [Fact]
    public async Task Release_needs_the_right_admin_and_drop_the_right_delete()
    {
        await _rig.PushAsync("v1", "one");

        var pusher = new Caller("ci", AccessActions.Pull | AccessActions.Push);
        Assert.IsType<Answer<HeldPush>.Invalid>(await _rig.Repository.ReleaseHeldAsync(pusher, Tag, null, "please", default));
        Assert.IsType<Answer<HeldPush>.Invalid>(
            await _rig.Repository.ReleaseHeldAsync(pusher with { Rights = AccessActions.All }, Tag, null, "please", default));
        Assert.IsType<Answer<HeldPush>.Invalid>(await _rig.Repository.DropHeldAsync(pusher, Tag, null, default));
        Assert.Equal("Hidden", await PullerSees("v1"));
    }
}
