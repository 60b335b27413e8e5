using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>A push by digest that names tags: each tag is evaluated separately, and when one is refused none is bound.</summary>
public sealed class TagsOfAPushTests : IAsyncLifetime
{
    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private void Reload(params RuleOptions[] rules) => _rig.Reload(_rig.Signed(OnMissing.Quarantine) with { Rules = [.. rules] });

    private async Task<(Digest Digest, Answer<PushedManifest> Answer)> PushAsync(string text, params string[] tags)
    {
        var bytes = GateRig.Manifest(await GateRig.PushBlobAsync(_rig.Repository, text, caller: HoldRig.Pusher));
        var push = new ManifestPush(new(Digest.Of(bytes)), [.. tags.Select(t => TagName.Parse(t))], MediaTypes.OciManifest, bytes);
        return (Digest.Of(bytes), await _rig.Repository.PutManifestAsync(HoldRig.Pusher, push, default));
    }

    private async Task AssertRefusedAsync(string code, Task<(Digest Digest, Answer<PushedManifest> Answer)> push, params string[] tags)
    {
        var (digest, answer) = await push;
        Assert.Equal(code, Assert.IsType<Answer<PushedManifest>.Refused>(answer).Decision.Verdict.Reasons[0].Code);
        foreach (var tag in tags.Append(digest.ToString())) Assert.Equal("Absent", await _rig.SeenAsync(HoldRig.Pusher, tag));
    }

    [Fact]
    public async Task Immutable_tag_prevents_the_other_tags_of_the_push_from_moving()
    {
        Reload(new RuleOptions { Id = "stays", IncludeTags = ["v*"], Require = new() { TagMutability = TagMutability.Immutable } });
        var (first, _) = await PushAsync("one", "v1");
        await AssertRefusedAsync(ReasonCodes.TagImmutable, PushAsync("two", "latest", "v1", "edge"), "latest", "edge");
        Assert.Equal(first.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task Promotion_only_tag_and_evidence_tag_prevent_the_other_tags_from_being_bound()
    {
        Reload(HoldRig.Rule(OnMissing.Deny, Stage.Promote, Stage.Pull) with { IncludeTags = ["prod"] });
        await AssertRefusedAsync("TAG_PROTECTED", PushAsync("one", "dev", "prod"), "dev", "prod");
        await AssertRefusedAsync(ReasonCodes.TagReserved, PushAsync("two", "dev", $"sha256-{new string('0', 64)}.sig"), "dev");
    }

    [Fact]
    public async Task Tag_whose_rule_is_not_satisfied_prevents_the_other_tags_from_being_bound()
    {
        Reload(HoldRig.Rule(OnMissing.Deny, Stage.Tag) with { IncludeTags = ["prod"] });
        await AssertRefusedAsync(ReasonCodes.SigNone, PushAsync("one", "dev", "prod"), "dev", "prod");
    }

    [Fact]
    public async Task Held_tag_does_not_hold_the_others_and_one_signature_releases_all()
    {
        Reload(HoldRig.Rule(OnMissing.Quarantine) with { IncludeTags = ["prod", "stable"] });
        var (digest, answer) = await PushAsync("one", "dev", "prod", "stable");
        Assert.Equal(TagStanding.Pending, Assert.IsType<Answer<PushedManifest>.Found>(answer).Standing);
        Assert.Equal(["dev"], await _rig.TagsAsync(HoldRig.Puller));
        Assert.Equal(["dev", "prod", "stable"], await _rig.TagsAsync(HoldRig.Pusher));

        var signed = Assert.IsType<Answer<PushedManifest>.Found>(await _rig.SignAsync(digest));
        Assert.Equal(["prod", "stable"], signed.Value.Promoted.Select(t => t.Value).Order());
        Assert.Equal(["dev", "prod", "stable"], await _rig.TagsAsync(HoldRig.Puller));
    }

    [Fact]
    public async Task Push_with_more_tags_than_may_be_held_is_refused_whole()
    {
        Reload(HoldRig.Rule(OnMissing.Quarantine));
        await AssertRefusedAsync("LIMIT_PENDING", PushAsync("one", "a", "b", "c", "d", "e"), "a", "e");
        Assert.IsType<Answer<PushedManifest>.Found>((await PushAsync("one", "a", "b", "c", "d")).Answer);
    }
}
