using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>What happens in the middle of a promotion, at each moment at which it looks at the clock: the same in every run.</summary>
public sealed class PromotionRaceTests : IAsyncLifetime
{
    private static readonly TagName V1 = TagName.Parse("v1");

    // More often than a promotion looks at the clock.
    private const int Moments = 12;

    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync(OnMissing.Deny, Stage.Promote, Stage.Pull);

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private Repository Staging => _rig.At("stage/app");

    private static RuleOptions Immutable => new()
    {
        Id = "stays", Repositories = ["prod/**"], Require = new() { TagMutability = TagMutability.Immutable },
        Stages = [Stage.Promote, Stage.Push, Stage.Tag],
    };

    private async Task<Digest> SignedAsync(string text)
    {
        var (digest, _) = await _rig.PushAsync(null, text, Staging);
        await _rig.SignAsync(digest, null, Staging);
        return digest;
    }

    private async Task<Answer<PushedManifest>> PromoteAsync(Digest digest, string to, TimeProvider? clock = null) =>
        await _rig.At(to, clock).PromoteAsync(HoldRig.Pusher, Staging, HoldRig.Pusher, new(digest), V1, default);

    private async Task<Digest> LiveAsync(string name) =>
        await _rig.At(name).GetManifestAsync(HoldRig.Puller, new(V1), default) is Answer<StoredManifest>.Found found
            ? found.Value.Digest
            : default;

    [Fact]
    public async Task Of_two_promotions_to_a_tag_that_never_moves_the_first_gets_it_at_whatever_moment_it_comes()
    {
        _rig.Reload(_rig.Policy! with { Rules = [.. _rig.Policy.Rules, Immutable] });
        var (one, two) = (await SignedAsync("one"), await SignedAsync("two"));
        var interrupted = 0;
        for (var moment = 1; moment <= Moments; moment++)
        {
            var to = $"prod/app{moment}";
            Answer<PushedManifest>? between = null;
            var clock = new InterruptingClock(_rig.Clock, moment, async () => between = await PromoteAsync(two, to));
            var answer = await PromoteAsync(one, to, clock);
            if (!clock.HasInterrupted) continue;
            interrupted++;
            Assert.IsType<Answer<PushedManifest>.Found>(between);
            var refused = Assert.IsType<Answer<PushedManifest>.Refused>(answer);
            Assert.Contains(refused.Decision.Verdict.Reasons, static r => r.Code == ReasonCodes.TagImmutable);
            Assert.Equal(two, await LiveAsync(to));
        }
        Assert.InRange(interrupted, 1, Moments);
    }

    [Fact]
    public async Task Of_a_promotion_and_a_push_to_a_tag_that_never_moves_the_first_gets_it()
    {
        _rig.Reload(_rig.Policy! with { Rules = [Immutable] });
        var one = await SignedAsync("one");
        for (var moment = 1; moment <= Moments; moment++)
        {
            var to = $"prod/app{moment}";
            Digest pushed = default;
            var clock = new InterruptingClock(
                _rig.Clock, moment, async () => (pushed, _) = await _rig.PushAsync("v1", "pushed", _rig.At(to)));
            var answer = await PromoteAsync(one, to, clock);
            if (clock.HasInterrupted) Assert.IsType<Answer<PushedManifest>.Refused>(answer);
            Assert.Equal(clock.HasInterrupted ? pushed : one, await LiveAsync(to));
        }
    }

    [Fact]
    public async Task A_push_to_a_protected_tag_in_the_middle_of_a_promotion_is_refused_and_changes_nothing()
    {
        var one = await SignedAsync("one");
        for (var moment = 1; moment <= Moments; moment++)
        {
            var to = $"prod/app{moment}";
            Answer<PushedManifest>? pushed = null;
            var clock = new InterruptingClock(
                _rig.Clock, moment, async () => (_, pushed) = await _rig.PushAsync("v1", "pushed", _rig.At(to)));
            Assert.IsType<Answer<PushedManifest>.Found>(await PromoteAsync(one, to, clock));
            if (clock.HasInterrupted) Assert.IsType<Answer<PushedManifest>.Refused>(pushed);
            Assert.Equal(one, await LiveAsync(to));
        }
    }

    [Fact]
    public async Task A_signature_that_is_deleted_in_the_middle_is_promoted_with_the_image_or_nothing_is()
    {
        for (var moment = 1; moment <= Moments; moment++)
        {
            var (digest, to) = (await SignedAsync($"image {moment}"), $"prod/app{moment}");
            var signature = Assert.Single(EvidenceNotes.List(_rig.Volume.Kept(Staging.Name), digest));
            var clock = new InterruptingClock(
                _rig.Clock, moment, async () => await Staging.DeleteManifestAsync(HoldRig.Pusher, new(signature), default));
            var answer = await PromoteAsync(digest, to, clock);
            var here = EvidenceNotes.List(_rig.Volume.Kept(RepositoryName.Parse(to)), digest).ToArray();
            if (answer is Answer<PushedManifest>.Found)
            {
                Assert.Equal([signature], here);
                _rig.Reload(_rig.Policy! with { Quarantine = new() { MaxPendingPerRepo = 100 + moment } });
                Assert.Equal(digest, await LiveAsync(to));
            }
            else
            {
                Assert.Contains(
                    Assert.IsType<Answer<PushedManifest>.Refused>(answer).Decision.Verdict.Reasons,
                    static r => r.Code == ReasonCodes.SigNone);
                Assert.Equal(default, await LiveAsync(to));
            }
        }
    }
}
