using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Interruptions of a promotion before each call to a repository's backing. Every run has the same interruptions.</summary>
public sealed class PromotionRaceTests : IAsyncLifetime
{
    private static readonly TagName V1 = TagName.Parse("v1");

    // More than the number of calls that a promotion makes to a backing.
    private const int Moments = 60;

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

    private async Task<Answer<PushedManifest>> PromoteAsync(Digest digest, Repository to, Repository? from = null) =>
        await to.PromoteAsync(HoldRig.Pusher, from ?? Staging, HoldRig.Pusher, new(digest), V1, default);

    private (Repository Repository, InterruptingBacking Interruption) Interrupted(string name, int moment, Func<Task> interruption)
    {
        var (backing, proxy) = InterruptingBacking.Of(_rig.Volume.Pushed(RepositoryName.Parse(name)), moment, interruption);
        return (_rig.Over(name, backing), proxy);
    }

    /// <summary>
    /// Tries a race at every call that a promotion makes, until one attempt is not interrupted. The interrupted calls must include several
    /// different ones and the commit.
    /// </summary>
    private static async Task AtEveryMomentAsync(int atLeast, Func<int, Task<string?>> tryAsync, params string[] needed)
    {
        var calls = new List<string>();
        while (await tryAsync(calls.Count + 1) is { } call)
        {
            calls.Add(call);
            Assert.True(calls.Count < Moments, $"expected fewer than {Moments} calls, got {string.Join(", ", calls)}");
        }
        Assert.True(calls.Count >= atLeast, $"expected at least {atLeast} interrupted calls, got {string.Join(", ", calls)}");
        foreach (var call in needed) Assert.Contains(call, calls);
    }

    private async Task<Digest> LiveAsync(string name) =>
        await _rig.At(name).GetManifestAsync(HoldRig.Puller, new(V1), default) is Answer<StoredManifest>.Found found
            ? found.Value.Digest
            : default;

    [Fact]
    public async Task First_of_two_promotions_to_an_immutable_tag_wins_at_every_interleaving()
    {
        _rig.Reload(_rig.Policy! with { Rules = [.. _rig.Policy.Rules, Immutable] });
        var (one, two) = (await SignedAsync("one"), await SignedAsync("two"));
        await AtEveryMomentAsync(
            4,
            async moment =>
            {
                var name = $"prod/app{moment}";
                Answer<PushedManifest>? between = null;
                var (to, interruption) = Interrupted(name, moment, async () => between = await PromoteAsync(two, _rig.At(name)));
                var answer = await PromoteAsync(one, to);
                if (interruption.Interrupted is not { } call) return null;
                Assert.IsType<Answer<PushedManifest>.Found>(between);
                var refused = Assert.IsType<Answer<PushedManifest>.Refused>(answer);
                Assert.Contains(refused.Decision.Verdict.Reasons, static r => r.Code == ReasonCodes.TagImmutable);
                Assert.Equal(two, await LiveAsync(name));
                return call;
            },
            nameof(IBacking.LiveOf), nameof(IBacking.CommitAsync));
    }

    [Fact]
    public async Task First_of_a_promotion_and_a_push_to_an_immutable_tag_wins()
    {
        _rig.Reload(_rig.Policy! with { Rules = [Immutable] });
        var one = await SignedAsync("one");
        await AtEveryMomentAsync(
            4,
            async moment =>
            {
                var name = $"prod/app{moment}";
                Digest pushed = default;
                var (to, interruption) = Interrupted(
                    name, moment, async () => (pushed, _) = await _rig.PushAsync("v1", "pushed", _rig.At(name)));
                var answer = await PromoteAsync(one, to);
                if (interruption.Interrupted is not null) Assert.IsType<Answer<PushedManifest>.Refused>(answer);
                Assert.Equal(interruption.Interrupted is not null ? pushed : one, await LiveAsync(name));
                return interruption.Interrupted;
            },
            nameof(IBacking.CommitAsync));
    }

    [Fact]
    public async Task Push_to_a_protected_tag_during_a_promotion_is_refused_and_changes_nothing()
    {
        var one = await SignedAsync("one");
        await AtEveryMomentAsync(
            3,
            async moment =>
            {
                var name = $"prod/app{moment}";
                Answer<PushedManifest>? pushed = null;
                var (to, interruption) = Interrupted(
                    name, moment, async () => (_, pushed) = await _rig.PushAsync("v1", "pushed", _rig.At(name)));
                Assert.IsType<Answer<PushedManifest>.Found>(await PromoteAsync(one, to));
                if (interruption.Interrupted is not null) Assert.IsType<Answer<PushedManifest>.Refused>(pushed);
                Assert.Equal(one, await LiveAsync(name));
                return interruption.Interrupted;
            },
            nameof(IBacking.CommitAsync));
    }

    [Fact]
    public async Task Signature_deleted_during_a_promotion_is_copied_with_the_image_or_nothing_is()
    {
        await AtEveryMomentAsync(4, async moment =>
        {
            var (digest, to) = (await SignedAsync($"image {moment}"), $"prod/app{moment}");
            var signature = Assert.Single(EvidenceNotes.List(_rig.Volume.Pushed(Staging.Name), digest));
            var (from, interruption) = Interrupted(
                Staging.Name.Value, moment, async () => await Staging.DeleteManifestAsync(HoldRig.Pusher, new(signature), default));
            var answer = await PromoteAsync(digest, _rig.At(to), from);
            var here = EvidenceNotes.List(_rig.Volume.Pushed(RepositoryName.Parse(to)), digest).ToArray();
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
            return interruption.Interrupted;
        });
    }
}
