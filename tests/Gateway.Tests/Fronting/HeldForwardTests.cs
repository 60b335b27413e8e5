using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.Repositories;
using Xunit;
using static Gateway.Tests.Fronting.FrontedRig;

namespace Gateway.Tests.Fronting;

/// <summary>Pushes for an upstream that wait for a signature.</summary>
public sealed class HeldForwardTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_waits_is_kept_here_and_the_upstream_does_not_hear_of_it(bool kill)
    {
        await using var rig = await HoldingAsync();

        var digest = await rig.PushedAsync("v1", "app");
        await rig.RestartAsync(kill);

        Assert.Equal(0, rig.Hub.Count(r => r.IsWrite));
        Assert.Equal(digest.ToString(), await rig.SeenAsync(Pusher, "v1"));
        Assert.StartsWith("Hidden", await rig.SeenAsync(Puller, "v1"), StringComparison.Ordinal);
        Assert.Single(rig.Staged.HeldPushes());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_signature_gives_the_upstream_image_signature_and_tag_in_this_order(bool asReferrer)
    {
        await using var rig = await HoldingAsync();
        var digest = await rig.PushedAsync("v1", "app");
        await rig.RestartAsync();

        var answer = asReferrer ? await rig.ReferAsync(digest) : await rig.SignAsync(digest);

        var signed = Assert.IsType<Answer<PushedManifest>.Found>(answer);
        Assert.Equal([TagName.Parse("v1")], signed.Value.Promoted);
        Assert.Equal(digest.ToString(), rig.There("v1"));
        var evidence = asReferrer ? signed.Value.Digest.ToString() : $"sha256-{digest.Hex}.sig";
        Assert.Equal([$"PUT {digest}", $"PUT {evidence}", "PUT v1"], rig.Writes().Where(w => w != "PUT blob"));
        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, "v1"));
        Assert.Empty(rig.Staged.HeldPushes());
        Assert.Empty(rig.Staged.Manifests());
        Assert.Empty(rig.StagedBytes);
    }

    [Fact]
    public async Task What_is_live_stays_live_here_and_there_while_another_waits()
    {
        await using var rig = await StartAsync();
        var first = await rig.PushedAsync("v1", "first");
        rig.Reload(rig.Signed(OnMissing.Quarantine));
        Assert.IsType<Answer<PushedManifest>.Found>(await rig.SignAsync(first));

        var second = await rig.PushedAsync("v1", "second");

        Assert.Equal(first.ToString(), rig.There("v1"));
        Assert.Equal(first.ToString(), await rig.SeenAsync(Puller, "v1"));
        Assert.Equal(second.ToString(), await rig.SeenAsync(Pusher, "v1"));
    }

    [Fact]
    public async Task A_publication_that_the_upstream_does_not_take_leaves_the_tag_waiting_and_the_signatures_push_says_so()
    {
        await using var rig = await HoldingAsync();
        var digest = await rig.PushedAsync("v1", "app");
        rig.Hub.When(r => r.IsAnyManifest && r.Method == "PUT").Respond(403, """{"errors":[{"code":"DENIED","message":"closed"}]}""");

        var refused = Assert.IsType<Answer<PushedManifest>.Invalid>(await rig.SignAsync(digest));

        Assert.Contains("closed", refused.Message, StringComparison.Ordinal);
        Assert.StartsWith("Hidden", await rig.SeenAsync(Puller, "v1"), StringComparison.Ordinal);
        rig.Hub.Behave();
        Assert.IsType<Answer<PushedManifest>.Found>(await rig.SignAsync(digest));
        Assert.Equal(digest.ToString(), rig.There("v1"));
    }

    [Fact]
    public async Task A_signature_that_came_first_lets_the_push_through_at_once()
    {
        await using var rig = await HoldingAsync();
        var bytes = GateRig.Manifest(await GateRig.PushBlobAsync(rig.Gate, "config", caller: Pusher));
        Assert.IsType<Answer<PushedManifest>.Found>(await rig.SignAsync(Digest.Of(bytes)));

        Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(rig.Gate, "v1", bytes, caller: Pusher));

        Assert.Equal(Digest.Of(bytes).ToString(), rig.There("v1"));
        Assert.Equal(Digest.Of(bytes).ToString(), await rig.SeenAsync(Puller, "v1"));
    }

    [Fact]
    public async Task Evidence_that_is_not_enough_waits_with_what_it_is_about()
    {
        await using var rig = await HoldingAsync();
        var digest = await rig.PushedAsync("v1", "app");
        using var stranger = System.Security.Cryptography.ECDsa.Create();

        Assert.IsType<Answer<PushedManifest>.Found>(await HoldRig.SignAsync(digest, stranger, null, digest, rig.Gate));
        Assert.Equal(0, rig.Hub.Count(r => r.IsWrite));

        Assert.IsType<Answer<PushedManifest>.Found>(await rig.ReferAsync(digest));
        Assert.Equal(4, rig.Writes().Count(w => w != "PUT blob"));
        Assert.Empty(rig.Staged.Manifests());
    }

    [Fact]
    public async Task A_new_policy_that_asks_for_less_publishes_when_the_tag_is_asked_for()
    {
        await using var rig = await HoldingAsync();
        var digest = await rig.PushedAsync("v1", "app");

        rig.Reload(null);

        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, "v1"));
        Assert.Equal(digest.ToString(), rig.There("v1"));
    }

    [Theory]
    [InlineData(403)]
    [InlineData(503)]
    public async Task What_passes_by_now_and_the_upstream_does_not_take_is_refused_to_all_but_those_who_may_push(int status)
    {
        await using var rig = await HoldingAsync();
        var digest = await rig.PushedAsync("v1", "app");
        rig.Hub.When(r => r.IsWrite).Respond(status);

        rig.Reload(null);

        Assert.Equal(digest.ToString(), await rig.SeenAsync(Pusher, "v1"));
        var refused = await rig.GetAsync(Puller, "v1");
        Assert.IsNotType<Answer<StoredManifest>.Found>(refused);
        Assert.True(refused.SparesPushers, refused.GetType().Name);
    }

    [Fact]
    public async Task What_waits_is_deleted_without_the_upstream()
    {
        await using var rig = await HoldingAsync();
        var digest = await rig.PushedAsync("v1", "app");

        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteManifestAsync(Pusher, new(digest), default));

        Assert.Equal(0, rig.Hub.Count(r => r.Method == "DELETE"));
        Assert.StartsWith("Absent", await rig.SeenAsync(Pusher, "v1"), StringComparison.Ordinal);
        Assert.Empty(rig.Staged.HeldPushes());
    }

    [Fact]
    public async Task Pushed_index_is_refused_for_an_image_that_the_upstream_alone_has()
    {
        await using var rig = await FrontedRig.StartAsync(_ => new()
        {
            Default = Outcome.Allow,
            Rules = [new() { Id = "few", Kinds = [ManifestKind.Image], Require = new() { Limits = new() { MaxLayers = 0 } } }],
        });
        var there = rig.Hub.AddImage(FrontedRig.Name, null, [1, 2, 3]);
        var bytes = GateRig.Index(new Descriptor(MediaTypes.OciManifest, Digest.Parse(there.Digest), there.Manifest.Length));

        var answer = await GateRig.PutAsync(rig.Gate, "all", bytes, MediaTypes.OciIndex, FrontedRig.Pusher);

        Assert.IsNotType<Answer<PushedManifest>.Found>(answer);
        Assert.Null(rig.There("all"));
    }
}
