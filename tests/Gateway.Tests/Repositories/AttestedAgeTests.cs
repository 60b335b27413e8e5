using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Ages that count from signatures, at the gate: held, released, noted with the verdict, and promoted.</summary>
public sealed class AttestedAgeTests : IAsyncLifetime
{
    private readonly TestLog _log = new();
    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public async ValueTask DisposeAsync()
    {
        _log.Dispose();
        await _rig.DisposeAsync();
    }

    private PolicyOptions Aged(LimitOptions limits) => new()
    {
        Default = Outcome.Allow,
        Trust = _rig.Trust(revokedAt: null) with
        {
            Keyless = ImmutableSortedDictionary<string, KeylessRootOptions>.Empty.Add("test", new(_log.Root)),
        },
        Rules =
        [
            new()
            {
                Id = "aged", Repositories = ["prod/**"], OnMissing = OnMissing.Quarantine,
                Require = new() { Signatures = [new("release")], Limits = limits with { AgeFrom = AgeStart.Attested } },
            },
        ],
    };

    private static readonly LimitOptions SixHours = new() { MinAge = TimeSpan.FromHours(6) };

    private Task<string> PullerSees(string reference) => _rig.SeenAsync(HoldRig.Puller, reference);

    private async Task<string[]> WhyAsync(string reference) =>
        [.. Assert.IsType<Answer<StoredManifest>.Hidden>(await _rig.GetAsync(HoldRig.Puller, reference)).Decision.Verdict.Reasons
            .Select(static reason => reason.Code)];

    private Task<Answer<PushedManifest>> SignAsync(Digest digest, double hoursAgo, Repository? to = null) =>
        _rig.SignAsync(digest, _log, _rig.Clock.GetUtcNow() - TimeSpan.FromHours(hoursAgo), to);

    [Fact]
    public async Task Newly_pushed_image_that_was_signed_long_ago_is_released_by_its_signature()
    {
        _rig.Reload(Aged(SixHours));
        var (digest, _) = await _rig.PushAsync("v1", "one");
        Assert.Equal([ReasonCodes.SigNone, ReasonCodes.LimitAgeUnknown], await WhyAsync(digest.ToString()));
        var signed = Assert.IsType<Answer<PushedManifest>.Found>(await SignAsync(digest, hoursAgo: 7));
        Assert.Equal(["v1"], signed.Value.Promoted.Select(static tag => tag.Value));
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Recently_signed_image_is_held_until_its_age_is_reached_also_across_restarts(bool kill)
    {
        _rig.Reload(Aged(SixHours));
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var signed = Assert.IsType<Answer<PushedManifest>.Found>(await SignAsync(digest, hoursAgo: 1));
        Assert.Empty(signed.Value.Promoted);
        Assert.Equal([ReasonCodes.LimitMinAge], await WhyAsync("v1"));
        await _rig.RestartAsync(kill);
        _rig.Clock.Advance(TimeSpan.FromHours(4.9));
        Assert.Equal(("Hidden", "Hidden"), (await PullerSees("v1"), await PullerSees(digest.ToString())));
        _rig.Clock.Advance(TimeSpan.FromHours(0.2));
        Assert.Equal((digest.ToString(), digest.ToString()), (await PullerSees("v1"), await PullerSees(digest.ToString())));
    }

    [Fact]
    public async Task Signature_without_a_time_admits_nothing_until_one_with_a_time_is_pushed()
    {
        _rig.Reload(Aged(SixHours));
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var signed = Assert.IsType<Answer<PushedManifest>.Found>(await _rig.SignAsync(digest));
        Assert.Contains("neither a log entry nor a time stamp proves when it was made", signed.Warning!.Message, StringComparison.Ordinal);
        _rig.Clock.Advance(TimeSpan.FromHours(12));
        Assert.Equal([ReasonCodes.LimitAgeUnknown], await WhyAsync("v1"));
        var again = Assert.IsType<Answer<PushedManifest>.Found>(await SignAsync(digest, hoursAgo: 7));
        Assert.Equal(["v1"], again.Value.Promoted.Select(static tag => tag.Value));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Admitting_verdict_ends_when_the_signing_time_is_too_old_also_across_restarts(bool kill)
    {
        _rig.Reload(Aged(new() { MaxAge = TimeSpan.FromHours(6) }));
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await SignAsync(digest, hoursAgo: 3);
        Assert.Equal(digest.ToString(), await PullerSees(digest.ToString()));
        await _rig.RestartAsync(kill);
        _rig.Clock.Advance(TimeSpan.FromHours(2.9));
        Assert.Equal(digest.ToString(), await PullerSees(digest.ToString()));
        _rig.Clock.Advance(TimeSpan.FromHours(0.2));
        Assert.Equal([ReasonCodes.LimitMaxAge], await WhyAsync(digest.ToString()));
    }

    [Fact]
    public async Task Promotion_copies_the_evidence_that_the_age_counts_from()
    {
        _rig.Reload(Aged(SixHours));
        var stage = _rig.At("stage/app");
        var (digest, _) = await _rig.PushAsync("v1", "one", stage);
        await SignAsync(digest, hoursAgo: 7, stage);
        await _rig.SignAsync(digest, to: stage);
        var promoted = await _rig.Repository.PromoteAsync(
            HoldRig.Pusher, stage, HoldRig.Pusher, new(digest), TagName.Parse("v1"), default);
        Assert.IsType<Answer<PushedManifest>.Found>(promoted);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task Evidence_that_the_age_counts_from_cannot_be_deleted_before_the_admitted_image()
    {
        _rig.Reload(Aged(SixHours));
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var old = Assert.IsType<Answer<PushedManifest>.Found>(await SignAsync(digest, hoursAgo: 7)).Value.Digest;
        await _rig.ReferAsync(digest);
        var answer = await _rig.Repository.DeleteManifestAsync(new("cleaner", AccessActions.Delete), new(old), default);
        var refused = Assert.IsType<Answer<Digest>.Refused>(answer);
        Assert.Equal("EVIDENCE_IN_USE", refused.Decision.Verdict.Reasons[0].Code);
    }
}
