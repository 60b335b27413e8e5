using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>What is pushed unsigned waits: who sees it, what publishes it, and when it is dropped.</summary>
public sealed class HoldTests : HoldCases
{
    [Fact]
    public async Task A_push_that_lacks_a_signature_is_taken_and_waits_and_the_answer_says_for_what()
    {
        var (digest, answer) = await _rig.PushAsync("v1", "one");
        var found = Ok(answer);
        Assert.Equal((digest, TagStanding.Pending), (found.Value.Digest, found.Standing));
        Assert.StartsWith("quarantined: tag v1 not moved, expires 20", found.Warning!.Message, StringComparison.Ordinal);
        Assert.Contains(found.Warning.Verdict.Reasons, r => r.Code == ReasonCodes.SigNone);
        var offer = Assert.Single(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
        Assert.Equal(("v1", digest, "ci"), (offer.Tag.Value, offer.Digest, offer.Actor));
        Assert.Equal(_rig.Clock.GetUtcNow() + TimeSpan.FromHours(24), offer.Expires, TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task What_waits_is_there_for_who_may_push_and_for_nobody_else_in_any_way()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        Assert.Equal(("Hidden", "Hidden"), (await PullerSees("v1"), await PullerSees(digest.ToString())));
        Assert.Equal((digest.ToString(), digest.ToString()), (await PusherSees("v1"), await PusherSees(digest.ToString())));
        var pending = Assert.IsType<Answer<StoredManifest>.Found>(await _rig.GetAsync(HoldRig.Pusher, "v1"));
        Assert.Equal(TagStanding.Pending, pending.Standing);
        foreach (var blob in new[] { Digest.Of("one"u8), HoldRig.LayerOf("one") })
        {
            Assert.False(await _rig.SeesBlobAsync(HoldRig.Puller, blob));
            Assert.True(await _rig.SeesBlobAsync(HoldRig.Pusher, blob));
            Assert.False(await _rig.At("other/app").MountAsync(HoldRig.Pusher, blob, _rig.Repository, HoldRig.Puller, default));
        }
        Assert.Empty(await _rig.TagsAsync(HoldRig.Puller));
        Assert.Equal(["v1"], await _rig.TagsAsync(HoldRig.Pusher));
        var told = Assert.IsType<Answer<StoredManifest>.Hidden>(await _rig.GetAsync(HoldRig.Puller, "v1")).Decision;
        Assert.StartsWith("pending since 20", told.Message, StringComparison.Ordinal);
        Assert.Contains("Z, visible to accounts that may push here; policy rule", told.Message, StringComparison.Ordinal);
        Assert.Contains("cosign sign", told.Message, StringComparison.Ordinal);
        var byDigest = Assert.IsType<Answer<StoredManifest>.Hidden>(await _rig.GetAsync(HoldRig.Puller, digest.ToString())).Decision;
        Assert.StartsWith("held, visible to accounts that may push here; policy rule", byDigest.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_push_that_is_too_young_waits_until_it_is_old_enough_however_long_that_is()
    {
        _rig.Reload(new()
        {
            Default = Outcome.Allow,
            Rules = [new() { Id = "cool-down", Require = new() { Limits = new() { MinAge = TimeSpan.FromDays(3) } } }],
        });
        var (digest, answer) = await _rig.PushAsync("v1", "one");
        var told = $"expires {_rig.Clock.GetUtcNow().AddDays(4).UtcDateTime:yyyy-MM-dd}";
        Assert.Contains(told, Ok(answer).Warning!.Message, StringComparison.Ordinal);
        _rig.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal("Hidden", await PullerSees("v1"));
        _rig.Clock.Advance(TimeSpan.FromHours(25));
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task A_repository_with_nothing_but_what_waits_is_named_to_who_may_push_alone()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.PushAsync("v1", "two", _rig.At("open/app"));
        Assert.Equal(["open/app"], await _rig.CatalogAsync(HoldRig.Puller));
        Assert.Equal(["open/app", "prod/app"], await _rig.CatalogAsync(HoldRig.Pusher));
        await _rig.SignAsync(digest);
        Assert.Equal(["open/app", "prod/app"], await _rig.CatalogAsync(HoldRig.Puller));
    }

    [Fact]
    public async Task A_repository_without_tags_is_named_for_what_is_admitted_in_it_by_digest()
    {
        var (digest, _) = await _rig.PushAsync(null, "one");
        Assert.Empty(await _rig.CatalogAsync(HoldRig.Puller));
        await _rig.ReferAsync(digest);
        Assert.Equal(["prod/app"], await _rig.CatalogAsync(HoldRig.Puller));
    }

    [Fact]
    public async Task A_referrer_that_waits_is_listed_for_who_may_push_alone()
    {
        var subject = await PushSignedAsync("v1", "one");
        var bytes = GateRig.Manifest(
            await GateRig.PushBlobAsync(_rig.Repository, "about", "application/vnd.example"),
            subject: new(MediaTypes.OciManifest, subject, 1));
        Ok(await HoldRig.PutAsync(_rig.Repository, Digest.Of(bytes).ToString(), bytes));
        async Task<bool> ListsAsync(Gateway.Access.Caller caller) =>
            Assert.IsType<Answer<ReferrersPage>.Found>(await _rig.Repository.ReferrersAsync(caller, subject, null, null, default))
                .Value.Items.Any(d => d.Digest == Digest.Of(bytes));
        Assert.Equal((false, true), (await ListsAsync(HoldRig.Puller), await ListsAsync(HoldRig.Pusher)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_signature_publishes_every_tag_of_its_digest_before_its_own_answer(bool asReferrer)
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.PushAsync("latest", "one");
        await _rig.PushAsync("other", "two");
        var signed = Ok(asReferrer ? await _rig.ReferAsync(digest) : await _rig.SignAsync(digest));
        Assert.Equal(["latest", "v1"], signed.Value.Promoted.Select(t => t.Value).Order());
        // Straight from the store: no pull has helped.
        var stored = _rig.Volume.Pushed(_rig.Repository.Name);
        Assert.Equal((digest, digest), (stored.LiveOf(TagName.Parse("v1")), stored.LiveOf(TagName.Parse("latest"))));
        Assert.Equal("other", Assert.Single(stored.HeldPushes()).Tag.Value);
        Assert.Equal((digest.ToString(), digest.ToString()), (await PullerSees("v1"), await PullerSees(digest.ToString())));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
        Assert.Equal(TagStanding.Live, Assert.IsType<Answer<StoredManifest>.Found>(await _rig.GetAsync(HoldRig.Pusher, "v1")).Standing);
    }

    [Fact]
    public async Task The_older_signed_digest_stays_live_meanwhile()
    {
        var old = await PushSignedAsync("v1", "one");
        var (next, _) = await _rig.PushAsync("v1", "two");
        Assert.Equal((old.ToString(), next.ToString()), (await PullerSees("v1"), await PusherSees("v1")));
        Assert.Equal(["v1"], await _rig.TagsAsync(HoldRig.Puller));
        await _rig.SignAsync(next);
        Assert.Equal(next.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task A_signature_by_another_key_is_taken_and_moves_nothing_and_says_so()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var answer = Ok(await _rig.SignAsync(digest, _rig.WrongKey));
        Assert.Empty(answer.Value.Promoted);
        Assert.Contains(answer.Warning!.Verdict.Reasons, r => r.Code == ReasonCodes.SigNoTrusted);
        Assert.Equal("Hidden", await PullerSees("v1"));
        Assert.Equal(["v1"], Ok(await _rig.SignAsync(digest)).Value.Promoted.Select(t => t.Value));
    }

    [Fact]
    public async Task A_newer_push_takes_the_place_of_what_waits_and_a_late_signature_admits_its_digest_alone()
    {
        var (first, _) = await _rig.PushAsync("v1", "one");
        var (second, _) = await _rig.PushAsync("v1", "two");
        Assert.Empty(Ok(await _rig.SignAsync(first)).Value.Promoted);
        Assert.Equal((first.ToString(), "Hidden"), (await PullerSees(first.ToString()), await PullerSees("v1")));
        Assert.Equal(second.ToString(), await PusherSees("v1"));
    }

    [Theory]
    [InlineData(OnMissing.Quarantine)]
    [InlineData(OnMissing.Deny)]
    public async Task A_signature_that_comes_first_lets_the_push_be_live_at_once(OnMissing onMissing)
    {
        _rig.Reload(_rig.Signed(onMissing));
        var (digest, before) = await _rig.PushAsync(null, "one");
        if (onMissing == OnMissing.Deny) Assert.IsType<Answer<PushedManifest>.Refused>(before);
        Ok(await _rig.SignAsync(digest));
        Assert.Equal(TagStanding.Live, Ok((await _rig.PushAsync("v1", "one")).Answer).Standing);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task Under_a_rule_of_tags_and_pulls_one_pushes_by_digest_signs_and_tags()
    {
        _rig.Reload(_rig.Signed(OnMissing.Deny, Stage.Tag, Stage.Pull));
        var (digest, answer) = await _rig.PushAsync(null, "one");
        Ok(answer);
        Assert.Equal(("Hidden", digest.ToString()), (await PullerSees(digest.ToString()), await PusherSees(digest.ToString())));
        Assert.IsType<Answer<PushedManifest>.Refused>((await _rig.PushAsync("v1", "one")).Answer);
        Ok(await _rig.ReferAsync(digest));
        Assert.Equal(TagStanding.Live, Ok((await _rig.PushAsync("v1", "one")).Answer).Standing);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task What_waits_too_long_is_dropped_and_what_was_live_stays()
    {
        var old = await PushSignedAsync("v1", "one");
        var (next, _) = await _rig.PushAsync("v1", "two");
        await _rig.PushAsync("v2", "two");
        _rig.Clock.Advance(TimeSpan.FromHours(25));
        Assert.Equal((old.ToString(), old.ToString(), "Absent"), (await PullerSees("v1"), await PusherSees("v1"), await PusherSees("v2")));
        Assert.Empty(Ok(await _rig.SignAsync(next)).Value.Promoted);
        Assert.Equal((old.ToString(), "Absent"), (await PullerSees("v1"), await PullerSees("v2")));
        Assert.Equal(next.ToString(), await PullerSees(next.ToString()));
        Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
    }

    [Fact]
    public async Task No_more_tags_wait_in_a_repository_than_the_policy_says_and_those_that_expired_do_not_count()
    {
        for (var i = 0; i < 4; i++) Ok((await _rig.PushAsync($"v{i}", $"{i}")).Answer);
        var refused = Assert.IsType<Answer<PushedManifest>.Refused>((await _rig.PushAsync("v4", "4")).Answer);
        Assert.Equal("LIMIT_PENDING", refused.Decision.Verdict.Reasons[0].Code);
        Ok((await _rig.PushAsync("v3", "again")).Answer);
        _rig.Clock.Advance(TimeSpan.FromHours(25));
        Ok((await _rig.PushAsync("v4", "4")).Answer);
    }

    [Fact]
    public async Task What_a_retired_key_signs_is_not_from_before_when_the_clock_is_set_back()
    {
        var folders = Folders.Make(_rig.Volume.PushedRoot.Repositories + "-clock", NullLogger.Instance);
        using var durability = folders.Durability;
        await using var steady = new SteadyClock(_rig.Clock, folders, NullLogger.Instance);
        _rig.Reload(_rig.Policy! with { Trust = _rig.Trust(null, retiredAt: _rig.Clock.GetUtcNow() + TimeSpan.FromDays(1)) });
        var to = _rig.At("prod/app", steady);
        var (before, _) = await _rig.PushAsync("v1", "one", to);
        Assert.Single(Ok(await _rig.SignAsync(before, to: to)).Value.Promoted);
        _rig.Clock.Advance(TimeSpan.FromDays(2));
        var (after, _) = await _rig.PushAsync("v2", "two", to);
        Assert.Empty(Ok(await _rig.SignAsync(after, to: to)).Value.Promoted);
        _rig.Clock.Advance(TimeSpan.FromDays(-2));
        var (back, _) = await _rig.PushAsync("v3", "three", to);
        Assert.Empty(Ok(await _rig.SignAsync(back, to: to)).Value.Promoted);
    }

    [Fact]
    public async Task A_key_that_is_revoked_hides_what_it_signed_with_the_next_request_and_back()
    {
        var digest = await PushSignedAsync("v1", "one");
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
        var before = _rig.Policy!;
        _rig.Reload(before with { Trust = _rig.Trust(_rig.Clock.GetUtcNow().AddDays(-1)) });
        Assert.Equal(("Hidden", "Hidden"), (await PullerSees("v1"), await PullerSees(digest.ToString())));
        Assert.False(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
        Assert.Equal(digest.ToString(), await PusherSees("v1"));
        _rig.Reload(before);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task A_policy_that_asks_for_nothing_publishes_what_waits_when_it_is_next_asked_for()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        _rig.Reload(null);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
        Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
    }

    [Fact]
    public async Task Of_two_racing_pushes_and_their_signatures_the_tag_ends_at_one_that_is_signed()
    {
        for (var round = 0; round < 10; round++)
        {
            var (tag, a, b) = ($"r{round}", $"a{round}", $"b{round}");
            // Prepared first, so that the race is between the manifests alone.
            var (one, _) = await _rig.PushAsync(null, a);
            var (two, _) = await _rig.PushAsync(null, b);
            await Task.WhenAll(_rig.PushAsync(tag, a), _rig.SignAsync(one), _rig.PushAsync(tag, b), _rig.SignAsync(two));
            var seen = await PullerSees(tag);
            Assert.Contains(seen, new[] { one.ToString(), two.ToString() });
            Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
        }
    }

    [Fact]
    public async Task Where_nobody_must_log_in_nobody_sees_what_waits()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        Assert.Equal(
            ("Hidden", "Hidden"), (await _rig.SeenAsync(GateRig.Anybody, "v1"), await _rig.SeenAsync(GateRig.Anybody, digest.ToString())));
    }

    [Fact]
    public async Task Deleting_a_tag_takes_what_waits_for_it_too()
    {
        var old = await PushSignedAsync("v1", "one");
        await _rig.PushAsync("v1", "two");
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(TagName.Parse("v1")), default));
        Assert.Equal(("Absent", old.ToString()), (await PusherSees("v1"), await PullerSees(old.ToString())));
    }

    [Fact]
    public async Task Repositories_that_no_rule_is_about_hold_nothing()
    {
        var open = _rig.At("dev/app");
        var (digest, answer) = await _rig.PushAsync("v1", "one", open);
        Assert.Equal(TagStanding.Live, Ok(answer).Standing);
        var found = Assert.IsType<Answer<StoredManifest>.Found>(
            await open.GetManifestAsync(HoldRig.Puller, new(TagName.Parse("v1")), default));
        Assert.Equal(digest, found.Value.Digest);
    }
}
