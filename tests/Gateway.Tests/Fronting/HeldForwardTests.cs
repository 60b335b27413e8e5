using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.Repositories;
using Xunit;
using static Gateway.Tests.Fronting.FrontedRig;

namespace Gateway.Tests.Fronting;

/// <summary>Held pushes of fronted repositories.</summary>
public sealed class HeldForwardTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Held_push_is_stored_here_and_not_forwarded(bool kill)
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
    public async Task Signature_of_a_held_push_forwards_image_signature_and_tag_in_this_order(bool asReferrer)
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
    public async Task Live_image_stays_live_here_and_at_the_upstream_while_a_push_is_held()
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
    public async Task Release_that_the_upstream_refuses_keeps_the_push_held_and_fails_the_push_of_the_signature()
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
    public async Task Push_after_its_signature_is_forwarded_at_once()
    {
        await using var rig = await HoldingAsync();
        var bytes = GateRig.Manifest(await GateRig.PushBlobAsync(rig.Gate, "config", caller: Pusher));
        Assert.IsType<Answer<PushedManifest>.Found>(await rig.SignAsync(Digest.Of(bytes)));

        Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(rig.Gate, "v1", bytes, caller: Pusher));

        Assert.Equal(Digest.Of(bytes).ToString(), rig.There("v1"));
        Assert.Equal(Digest.Of(bytes).ToString(), await rig.SeenAsync(Puller, "v1"));
    }

    [Fact]
    public async Task Insufficient_evidence_stays_staged_with_its_subject()
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
    public async Task Policy_that_requires_less_forwards_the_held_push_at_the_next_request()
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
    public async Task Admitted_push_that_the_upstream_refuses_stays_hidden_from_pullers(int status)
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
    public async Task Held_push_is_deleted_without_an_upstream_request()
    {
        await using var rig = await HoldingAsync();
        var digest = await rig.PushedAsync("v1", "app");

        Assert.IsType<Answer<Digest>.Found>(await rig.Gate.DeleteManifestAsync(Pusher, new(digest), default));

        Assert.Equal(0, rig.Hub.Count(r => r.Method == "DELETE"));
        Assert.StartsWith("Absent", await rig.SeenAsync(Pusher, "v1"), StringComparison.Ordinal);
        Assert.Empty(rig.Staged.HeldPushes());
    }

    [Fact]
    public async Task Pushed_index_is_refused_for_an_image_that_only_the_upstream_has()
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
