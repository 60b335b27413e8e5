using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

public sealed class PromotionTests : IAsyncLifetime
{
    private static readonly TagName V1 = TagName.Parse("v1");

    private HoldRig _rig = null!;

    private Repository Stage => _rig.At("stage/app");

    public async ValueTask InitializeAsync() =>
        _rig = await HoldRig.OpenAsync(OnMissing.Deny, Policy.Stage.Promote, Policy.Stage.Pull);

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private async Task<Answer<PushedManifest>> PromoteAsync(Digest digest, Caller? there = null) =>
        await _rig.Repository.PromoteAsync(HoldRig.Pusher, Stage, there ?? HoldRig.Pusher, new(digest), V1, default);

    [Fact]
    public async Task Promotion_only_tag_refuses_a_push_and_says_how_to_promote()
    {
        var (digest, answer) = await _rig.PushAsync("v1", "one");
        var refused = Assert.IsType<Answer<PushedManifest>.Refused>(answer);
        Assert.Equal("TAG_PROTECTED", refused.Decision.Verdict.Reasons[0].Code);
        Assert.Contains($"gateway promote <repository>@{digest} prod/app:v1", refused.Decision.Message, StringComparison.Ordinal);
        Assert.Equal("Absent", await _rig.SeenAsync(HoldRig.Pusher, "v1"));
    }

    [Fact]
    public async Task Unsigned_image_is_not_promoted_and_nothing_of_it_is_stored()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one", Stage);
        var refused = Assert.IsType<Answer<PushedManifest>.Refused>(await PromoteAsync(digest));
        Assert.Contains(refused.Decision.Verdict.Reasons, r => r.Code == ReasonCodes.SigNone);
        Assert.EndsWith($"cosign sign --key KEY HOST/stage/app@{digest}", refused.Decision.Message, StringComparison.Ordinal);
        Assert.Equal("Absent", await _rig.SeenAsync(HoldRig.Pusher, digest.ToString()));
    }

    [Fact]
    public async Task Signed_image_is_promoted_with_its_blobs_and_only_the_evidence_that_counted()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one", Stage);
        await _rig.SignAsync(digest, _rig.WrongKey, Stage);
        await _rig.SignAsync(digest, null, Stage);
        _rig.Clock.Advance(TimeSpan.FromDays(3));
        var promoted = Assert.IsType<Answer<PushedManifest>.Found>(await PromoteAsync(digest));
        Assert.Equal([V1], promoted.Value.Promoted);
        Assert.Equal(
            (digest.ToString(), digest.ToString()),
            (await _rig.SeenAsync(HoldRig.Puller, "v1"), await _rig.SeenAsync(HoldRig.Puller, digest.ToString())));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
        var (there, here) = (_rig.Volume.Pushed(Stage.Name), _rig.Volume.Pushed(_rig.Repository.Name));
        var evidence = Assert.Single(EvidenceNotes.List(here, digest));
        Assert.Equal(there.FirstSeen(evidence), here.FirstSeen(evidence));
        Assert.NotEqual("Absent", await _rig.SeenAsync(HoldRig.Puller, $"sha256-{digest.Hex}.sig"));
        await _rig.RestartAsync(kill: true);
        Assert.Equal(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task Index_is_promoted_with_everything_below_it()
    {
        var (child, _) = await _rig.PushAsync(null, "one", Stage);
        var index = GateRig.Index(new Descriptor(
            MediaTypes.OciManifest, child, _rig.Volume.Pushed(Stage.Name).ReadManifest(child)!.Bytes.Length));
        await HoldRig.PutAsync(Stage, "v1", index, MediaTypes.OciIndex);
        await _rig.SignAsync(Digest.Of(index), null, Stage);
        Assert.IsType<Answer<PushedManifest>.Found>(await PromoteAsync(Digest.Of(index)));
        Assert.Equal(child.ToString(), await _rig.SeenAsync(HoldRig.Puller, child.ToString()));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
    }

    /// <remarks>An administrator of the source decides about the source only (docs/console.md, "Held pushes").</remarks>
    [Fact]
    public async Task Release_by_hand_in_the_source_does_not_lift_the_rules_of_the_target()
    {
        var held = HoldRig.Rule(OnMissing.Quarantine);
        _rig.Reload(_rig.Policy! with { Rules = [held with { Id = "stage", Repositories = ["stage/**"] }, held] });
        var (digest, _) = await _rig.PushAsync("v1", "one", Stage);
        var chief = new Caller("chief", AccessActions.All | AccessActions.Admin);
        Assert.IsType<Answer<HeldPush>.Found>(await Stage.ReleaseHeldAsync(chief, V1, digest, "tested by hand", default));

        var refused = Assert.IsType<Answer<PushedManifest>.Refused>(await PromoteAsync(digest));

        Assert.Contains(refused.Decision.Verdict.Reasons, r => r.Code == ReasonCodes.SigNone);
        Assert.Equal("Absent", await _rig.SeenAsync(HoldRig.Puller, "v1"));
        Assert.Equal("Absent", await _rig.SeenAsync(HoldRig.Puller, digest.ToString()));
    }

    /// <remarks>The index stays in the source, so its signature would admit the image only until the next evaluation.</remarks>
    [Fact]
    public async Task Signature_of_an_index_that_is_not_promoted_does_not_admit_its_image()
    {
        var (child, _) = await _rig.PushAsync(null, "one", Stage);
        var index = GateRig.Index(new Descriptor(
            MediaTypes.OciManifest, child, _rig.Volume.Pushed(Stage.Name).ReadManifest(child)!.Bytes.Length));
        await HoldRig.PutAsync(Stage, "v1", index, MediaTypes.OciIndex);
        await _rig.SignAsync(Digest.Of(index), null, Stage);

        Assert.IsType<Answer<PushedManifest>.Refused>(await PromoteAsync(child));
        await _rig.SignAsync(child, null, Stage);
        Assert.IsType<Answer<PushedManifest>.Found>(await PromoteAsync(child));

        await _rig.RestartAsync(kill: false);
        Assert.Equal(child.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task Caller_without_pull_at_the_source_or_push_at_the_target_promotes_nothing()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one", Stage);
        await _rig.SignAsync(digest, null, Stage);
        Assert.IsType<Answer<PushedManifest>.Absent>(await PromoteAsync(digest, new("ci", AccessActions.None)));
        Assert.IsType<Answer<PushedManifest>.Invalid>(
            await _rig.Repository.PromoteAsync(HoldRig.Puller, Stage, HoldRig.Pusher, new(digest), V1, default));
        Assert.Equal("Absent", await _rig.SeenAsync(HoldRig.Pusher, "v1"));
    }
}
