using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Unsigned pushes are held: which callers see them, what releases them, and when they expire.</summary>
public sealed class HoldTests : HoldCases
{
    [Fact]
    public async Task Push_without_signature_is_held_and_the_answer_says_what_is_missing()
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
    public async Task Held_content_is_visible_only_to_pushers()
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
    public async Task Push_that_is_too_young_is_held_until_it_is_old_enough()
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
    public async Task Repository_with_only_held_content_is_listed_only_to_pushers()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.PushAsync("v1", "two", _rig.At("open/app"));
        Assert.Equal(["open/app"], await _rig.CatalogAsync(HoldRig.Puller));
        Assert.Equal(["open/app", "prod/app"], await _rig.CatalogAsync(HoldRig.Pusher));
        await _rig.SignAsync(digest);
        Assert.Equal(["open/app", "prod/app"], await _rig.CatalogAsync(HoldRig.Puller));
    }

    [Fact]
    public async Task Repository_without_tags_is_listed_for_content_admitted_by_digest()
    {
        var (digest, _) = await _rig.PushAsync(null, "one");
        Assert.Empty(await _rig.CatalogAsync(HoldRig.Puller));
        await _rig.ReferAsync(digest);
        Assert.Equal(["prod/app"], await _rig.CatalogAsync(HoldRig.Puller));
    }

    [Fact]
    public async Task Held_referrer_is_listed_only_to_pushers()
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
    public async Task Signature_releases_every_tag_of_its_digest_before_it_is_acknowledged(bool asReferrer)
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.PushAsync("latest", "one");
        await _rig.PushAsync("other", "two");
        var signed = Ok(asReferrer ? await _rig.ReferAsync(digest) : await _rig.SignAsync(digest));
        Assert.Equal(["latest", "v1"], signed.Value.Promoted.Select(t => t.Value).Order());
        // Read directly from the storage, so that no pull can have released it.
        var stored = _rig.Volume.Pushed(_rig.Repository.Name);
        Assert.Equal((digest, digest), (stored.LiveOf(TagName.Parse("v1")), stored.LiveOf(TagName.Parse("latest"))));
        Assert.Equal("other", Assert.Single(stored.HeldPushes()).Tag.Value);
        Assert.Equal((digest.ToString(), digest.ToString()), (await PullerSees("v1"), await PullerSees(digest.ToString())));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
        Assert.Equal(TagStanding.Live, Assert.IsType<Answer<StoredManifest>.Found>(await _rig.GetAsync(HoldRig.Pusher, "v1")).Standing);
    }

    [Fact]
    public async Task Older_signed_digest_stays_live_while_a_newer_push_is_held()
    {
        var old = await PushSignedAsync("v1", "one");
        var (next, _) = await _rig.PushAsync("v1", "two");
        Assert.Equal((old.ToString(), next.ToString()), (await PullerSees("v1"), await PusherSees("v1")));
        Assert.Equal(["v1"], await _rig.TagsAsync(HoldRig.Puller));
        await _rig.SignAsync(next);
        Assert.Equal(next.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task Signature_by_another_key_is_stored_and_releases_nothing_and_says_so()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var answer = Ok(await _rig.SignAsync(digest, _rig.WrongKey));
        Assert.Empty(answer.Value.Promoted);
        Assert.Contains(answer.Warning!.Verdict.Reasons, r => r.Code == ReasonCodes.SigNoTrusted);
        Assert.Equal("Hidden", await PullerSees("v1"));
        Assert.Equal(["v1"], Ok(await _rig.SignAsync(digest)).Value.Promoted.Select(t => t.Value));
    }

    [Fact]
    public async Task Newer_push_replaces_the_held_one_and_a_late_signature_admits_only_its_digest()
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
    public async Task Push_is_live_at_once_when_its_signature_was_pushed_first(OnMissing onMissing)
    {
        _rig.Reload(_rig.Signed(onMissing));
        var (digest, before) = await _rig.PushAsync(null, "one");
        if (onMissing == OnMissing.Deny) Assert.IsType<Answer<PushedManifest>.Refused>(before);
        Ok(await _rig.SignAsync(digest));
        Assert.Equal(TagStanding.Live, Ok((await _rig.PushAsync("v1", "one")).Answer).Standing);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task Rule_of_tags_and_pulls_allows_push_by_digest_then_signature_then_tag()
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
    public async Task Held_push_expires_and_the_live_digest_stays()
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
    public async Task Held_tags_beyond_the_limit_are_refused_and_expired_ones_do_not_count()
    {
        for (var i = 0; i < 4; i++) Ok((await _rig.PushAsync($"v{i}", $"{i}")).Answer);
        var refused = Assert.IsType<Answer<PushedManifest>.Refused>((await _rig.PushAsync("v4", "4")).Answer);
        Assert.Equal("LIMIT_PENDING", refused.Decision.Verdict.Reasons[0].Code);
        Ok((await _rig.PushAsync("v3", "again")).Answer);
        _rig.Clock.Advance(TimeSpan.FromHours(25));
        Ok((await _rig.PushAsync("v4", "4")).Answer);
    }

    [Fact]
    public async Task Signature_by_a_retired_key_does_not_count_after_the_clock_is_set_back()
    {
        var folders = Folders.Make(_rig.Volume.Roots.Pushed.Repositories + "-clock", NullLogger.Instance);
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
    public async Task Revoking_a_key_hides_what_it_signed_on_the_next_request_and_restoring_it_shows_it()
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
    public async Task Policy_without_requirements_releases_a_held_push_on_the_next_request()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        _rig.Reload(null);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
        Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
    }

    [Fact]
    public async Task Tag_ends_at_a_signed_digest_after_two_racing_pushes_and_signatures()
    {
        for (var round = 0; round < 10; round++)
        {
            var (tag, a, b) = ($"r{round}", $"a{round}", $"b{round}");
            // Everything else is prepared first, so that only the manifests race.
            var (one, _) = await _rig.PushAsync(null, a);
            var (two, _) = await _rig.PushAsync(null, b);
            await Task.WhenAll(_rig.PushAsync(tag, a), _rig.SignAsync(one), _rig.PushAsync(tag, b), _rig.SignAsync(two));
            var seen = await PullerSees(tag);
            Assert.Contains(seen, new[] { one.ToString(), two.ToString() });
            Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
        }
    }

    [Fact]
    public async Task Open_gateway_shows_held_content_to_no_caller()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        Assert.Equal(
            ("Hidden", "Hidden"), (await _rig.SeenAsync(GateRig.Anybody, "v1"), await _rig.SeenAsync(GateRig.Anybody, digest.ToString())));
    }

    [Fact]
    public async Task Deleting_a_tag_removes_its_held_push()
    {
        var old = await PushSignedAsync("v1", "one");
        await _rig.PushAsync("v1", "two");
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(TagName.Parse("v1")), default));
        Assert.Equal(("Absent", old.ToString()), (await PusherSees("v1"), await PullerSees(old.ToString())));
    }

    [Fact]
    public async Task Repository_without_a_matching_rule_holds_nothing()
    {
        var open = _rig.At("dev/app");
        var (digest, answer) = await _rig.PushAsync("v1", "one", open);
        Assert.Equal(TagStanding.Live, Ok(answer).Standing);
        var found = Assert.IsType<Answer<StoredManifest>.Found>(
            await open.GetManifestAsync(HoldRig.Puller, new(TagName.Parse("v1")), default));
        Assert.Equal(digest, found.Value.Digest);
    }
}
