using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.PullThrough;
using Gateway.Tests.Repositories;
using Xunit;
using static Gateway.Tests.Fronting.FrontedRig;

namespace Gateway.Tests.Fronting;

/// <summary>Pushes that are forwarded before they are answered.</summary>
public sealed class ForwardTests
{
    [Fact]
    public async Task Push_is_answered_after_the_upstream_has_all_of_it()
    {
        await using var rig = await StartAsync();

        var digest = await rig.PushedAsync("v1", "app");

        Assert.Equal(digest.ToString(), rig.There("v1"));
        Assert.NotNull(rig.Hub.FindBlob(Name, HoldRig.LayerOf("app").ToString()));
        Assert.Equal(["PUT blob", "PUT blob", "PUT v1"], rig.Writes());
    }

    [Fact]
    public async Task Forwarded_content_is_cached_and_not_fetched_back()
    {
        await using var rig = await StartAsync();
        var digest = await rig.PushedAsync("v1", "app");

        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, "v1"));
        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, digest.ToString()));
        Assert.IsType<Answer<IContent>.Found>(await rig.Gate.OpenBlobAsync(Puller, HoldRig.LayerOf("app"), BlobUse.Whole, default));

        Assert.Equal(
            0,
            rig.Hub.Count(
                r => r.IsGet && (r.IsAnyBlob || r.IsAnyManifest) && !r.Reference.StartsWith("sha256-", StringComparison.Ordinal)));
        Assert.Empty(rig.StagedBytes);
        Assert.Empty(rig.Staged.Manifests());
        Assert.True(File.Exists(rig.Volume.Roots.Cached.Data(HoldRig.LayerOf("app"))));
    }

    [Fact]
    public async Task Refused_push_sends_nothing_to_the_upstream()
    {
        await using var rig = await HoldingAsync(OnMissing.Deny);

        var (digest, answer) = await rig.PushAsync("v1", "app");

        Assert.IsType<Answer<PushedManifest>.Refused>(answer);
        Assert.Equal(0, rig.Hub.Count(r => r.IsWrite));
        Assert.DoesNotContain(rig.Hub.Requests, r => r.IsHead && r.IsManifest(digest.ToString()));
    }

    [Fact]
    public async Task Index_is_forwarded_after_its_children_also_if_they_are_old()
    {
        await using var rig = await StartAsync();
        var there = rig.Hub.AddImage(Name, null, [1, 2, 3]);
        var here = await rig.PushedAsync(null, "child");
        var bytes = GateRig.Index(
            new(
                MediaTypes.OciManifest, here,
                ((Answer<StoredManifest>.Found)await rig.GetAsync(Pusher, here.ToString())).Value.Bytes.Length),
            new(MediaTypes.OciManifest, Digest.Parse(there.Digest), there.Manifest.Length));

        Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(rig.Gate, "all", bytes, MediaTypes.OciIndex, Pusher));

        Assert.Equal(Digest.Of(bytes).ToString(), rig.There("all"));
        Assert.Equal(["PUT blob", "PUT blob", $"PUT {here}", "PUT all"], rig.Writes());
    }

    [Fact]
    public async Task Blob_that_the_upstream_has_is_neither_uploaded_nor_sent()
    {
        await using var rig = await StartAsync();
        var image = rig.Hub.AddImage(Name, null, [1, 2, 3]);
        var (layer, size) = (Digest.Parse(image.Layers[0]), rig.Hub.FindBlob(Name, image.Layers[0])!.Length);
        var config = await GateRig.PushBlobAsync(rig.Gate, "config", caller: Pusher);

        var answer = await GateRig.PutAsync(
            rig.Gate, "v1", GateRig.Manifest(config, new("application/vnd.oci.image.layer.v1.tar+gzip", layer, size)), caller: Pusher);

        Assert.IsType<Answer<PushedManifest>.Found>(answer);
        Assert.Equal(["PUT blob", "PUT v1"], rig.Writes());
    }

    [Fact]
    public async Task Manifest_with_a_missing_blob_is_refused_and_not_forwarded()
    {
        await using var rig = await StartAsync();
        var bytes = GateRig.Manifest(new(MediaTypes.OciConfig, Digest.Of("nowhere"u8), 7));

        var answer = await GateRig.PutAsync(rig.Gate, "v1", bytes, caller: Pusher);

        Assert.Equal(RegistryErrorCode.MANIFEST_BLOB_UNKNOWN, Assert.IsType<Answer<PushedManifest>.Invalid>(answer).Code);
        Assert.Equal(0, rig.Hub.Count(r => r.IsWrite));
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PATCH")]
    [InlineData("PUT")]
    [InlineData("manifest")]
    public async Task Upstream_failure_at_a_step_fails_the_push_and_the_next_attempt_sends_the_rest(string step)
    {
        await using var rig = await StartAsync();
        var rule = rig.Hub.When(r => step == "manifest" ? r.IsAnyManifest && r.Method == "PUT" : r.IsUpload && r.Method == step)
            .Respond(503).Header("Retry-After", "1");

        var (digest, answer) = await rig.PushAsync("v1", "app");

        var failed = Assert.IsType<Answer<PushedManifest>.Unavailable>(answer);
        Assert.Contains("hub", failed.Why, StringComparison.Ordinal);
        Assert.Null(rig.There("v1"));
        Assert.Equal("Absent", (await rig.SeenAsync(Puller, "v1")).Split('`')[0]);
        Assert.Equal("Absent", (await rig.SeenAsync(Puller, digest.ToString())).Split('`')[0]);

        rig.Hub.Behave();
        await UntilTakenAsync(rig, digest);
        Assert.Equal(digest.ToString(), rig.There("v1"));
        if (step == "manifest") Assert.Equal(2, rig.Writes().Count(w => w == "PUT blob"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Index_that_names_layers_like_a_build_cache_is_forwarded_with_them(bool later)
    {
        await using var rig = await StartAsync(later: later);
        var layer = await GateRig.PushBlobAsync(rig.Gate, "cached layer", "application/vnd.oci.image.layer.v1.tar+gzip", Pusher);
        var config = await GateRig.PushBlobAsync(rig.Gate, "cache config", "application/vnd.buildkit.cacheconfig.v0", Pusher);

        Assert.IsType<Answer<PushedManifest>.Found>(
            await GateRig.PutAsync(rig.Gate, "cache", GateRig.Index(layer, config), MediaTypes.OciIndex, Pusher));
        await rig.ArrivedAsync();

        Assert.NotNull(rig.Hub.FindBlob(Name, layer.Digest.ToString()));
        Assert.NotNull(rig.Hub.FindBlob(Name, config.Digest.ToString()));
        Assert.NotNull(rig.There("cache"));
        await Rig.UntilAsync(() => rig.StagedBytes.Length == 0);
    }

    [Theory]
    [InlineData(403, """{"errors":[{"code":"DENIED","message":"quota is used up"}]}""", RegistryErrorCode.DENIED, "quota is used up")]
    [InlineData(401, "", RegistryErrorCode.DENIED, "expected a challenge")]
    [InlineData(400, """{"errors":[{"code":"MANIFEST_INVALID","message":"no"}]}""", RegistryErrorCode.MANIFEST_INVALID, "400")]
    [InlineData(409, """{"errors":[{"code":"CONFLICT","message":"tag is immutable"}]}""", RegistryErrorCode.DENIED, "tag is immutable")]
    [InlineData(413, "", RegistryErrorCode.SIZE_INVALID, "413")]
    internal async Task A_refusal_of_the_upstream_is_the_clients_with_its_reason(
        int status, string body, RegistryErrorCode code, string reason)
    {
        await using var rig = await StartAsync();
        rig.Hub.When(r => r.IsAnyManifest && r.Method == "PUT").Respond(status, body);

        var (digest, answer) = await rig.PushAsync("v1", "app");

        var refused = Assert.IsType<Answer<PushedManifest>.Invalid>(answer);
        Assert.Equal(code, refused.Code);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.Contains("hub", refused.Message, StringComparison.Ordinal);
        Assert.Equal("Absent", (await rig.SeenAsync(Puller, digest.ToString())).Split('`')[0]);
    }

    [Fact]
    public async Task Concurrent_pushes_of_one_tag_end_the_same_at_the_upstream_and_here()
    {
        await using var rig = await StartAsync();
        for (var round = 0; round < 10; round++)
        {
            var pushes = Enumerable.Range(0, 4).Select(i => rig.PushAsync("v1", $"app {round} {i}")).ToArray();
            await Task.WhenAll(pushes);
            Assert.All(pushes, p => Assert.IsType<Answer<PushedManifest>.Found>(p.Result.Answer));
            Assert.Equal(rig.There("v1"), await rig.SeenAsync(Puller, "v1"));
        }
    }

    [Fact]
    public async Task Tag_that_was_moved_at_the_upstream_is_updated_when_it_is_no_longer_fresh()
    {
        await using var rig = await StartAsync(tags: new() { RevalidateAfter = TimeSpan.Zero });
        await rig.PushedAsync("v1", "app");
        var other = rig.Hub.AddImage(Name, "v1", [9, 9]);

        Assert.Equal(other.Digest, await rig.SeenAsync(Puller, "v1"));
    }

    [Fact]
    public async Task Blob_is_mounted_from_a_repository_that_the_caller_can_see()
    {
        await using var rig = await StartAsync();
        var layer = await GateRig.PushBlobAsync(rig.At("mine/app"), "shared", caller: Pusher);

        Assert.True(await rig.Gate.MountAsync(Pusher, layer.Digest, rig.At("mine/app"), Pusher, default));

        var config = await GateRig.PushBlobAsync(rig.Gate, "config", caller: Pusher);
        var bytes = GateRig.Manifest(config, layer with { MediaType = "application/vnd.oci.image.layer.v1.tar" });
        Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(rig.Gate, "v1", bytes, caller: Pusher));
        Assert.NotNull(rig.Hub.FindBlob(Name, layer.Digest.ToString()));
    }

    [Fact]
    public async Task Staged_blobs_survive_a_kill()
    {
        await using var rig = await StartAsync();
        var config = await GateRig.PushBlobAsync(rig.Gate, "config", caller: Pusher);

        await rig.RestartAsync(kill: true);

        Assert.NotNull(await rig.Staged.ReadLinkAsync(config.Digest, LinkKind.Blob, default));
        Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(rig.Gate, "v1", GateRig.Manifest(config), caller: Pusher));
    }

    [Fact]
    public async Task Immutable_tag_stays_where_the_upstream_has_it()
    {
        await using var rig = await StartAsync(_ => new()
        {
            Default = Outcome.Allow,
            Rules = [new() { Id = "fixed", Require = new() { TagMutability = TagMutability.Immutable } }],
        });
        var there = rig.Hub.AddImage(Name, "v1", [1, 2, 3]);

        var (_, answer) = await rig.PushAsync("v1", "another");

        Assert.IsType<Answer<PushedManifest>.Refused>(answer);
        Assert.Equal(there.Digest, rig.There("v1"));
    }

    [Fact]
    public async Task Promoted_image_of_a_built_in_repository_is_forwarded()
    {
        await using var rig = await StartAsync();
        var source = rig.At("mine/app");
        var (digest, _) = await rig.PushAsync("v1", "app", source);

        var answer = await rig.Gate.PromoteAsync(Pusher, source, Pusher, new(TagName.Parse("v1")), TagName.Parse("stable"), default);

        Assert.IsType<Answer<PushedManifest>.Found>(answer);
        Assert.Equal(digest.ToString(), rig.There("stable"));
        Assert.Equal(digest.ToString(), await rig.SeenAsync(Puller, "stable"));
    }

    [Fact]
    public async Task Passthrough_push_uses_the_credentials_of_its_client_and_is_invisible_to_other_clients()
    {
        await using var rig = await StartAsync();
        rig.Hub.RequireBasic("ann", "secret");
        rig.Hub.RequireBasic("bob", "hidden");
        var (ann, bob, mallory) = (rig.As("ann", "secret"), rig.As("bob", "hidden"), rig.As("mallory", "guess"));
        var config = await GateRig.PushBlobAsync(ann, "config", caller: Pusher);

        Assert.IsNotType<Answer<IContent>.Found>(await bob.OpenBlobAsync(Pusher, config.Digest, BlobUse.Head, default));
        Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(ann, "v1", GateRig.Manifest(config), caller: Pusher));
        Assert.Contains(rig.Hub.Requests, r => r.Method == "PUT" && r.IsManifest("v1") && r.Authorization == "Basic YW5uOnNlY3JldA==");

        var (_, refused) = await rig.PushAsync("v2", "app", mallory);
        Assert.IsNotType<Answer<PushedManifest>.Found>(refused);
        Assert.Null(rig.There("v2"));
    }

    [Fact]
    public async Task Staged_content_that_is_unused_for_a_day_is_removed_and_held_pushes_stay()
    {
        await using var rig = await HoldingAsync();
        var held = await rig.PushedAsync("v1", "held");
        var untagged = await rig.PushedAsync(null, "untagged");
        var blob = await GateRig.PushBlobAsync(rig.Gate, "left over", caller: Pusher);
        foreach (var file in Directory.GetFiles(rig.Volume.Roots.Staged.Repository("hub/app"), "link", SearchOption.AllDirectories))
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(-2));

        await rig.Volume.StagedContent.SweepAsync(rig.Staged, default);

        Assert.Equal([held], rig.Staged.Manifests());
        Assert.Null(await rig.Staged.ReadLinkAsync(blob.Digest, LinkKind.Blob, default));
        Assert.Null(await rig.Staged.ReadLinkAsync(untagged, LinkKind.Manifest, default));
        Assert.Equal(3, rig.StagedBytes.Length);
    }

    // Waits for the end of the upstream's pause.
    private static Task UntilTakenAsync(FrontedRig rig, Digest digest) => Patience.UntilAsync(
        async () => (await rig.PushAsync("v1", "app")).Answer is Answer<PushedManifest>.Found found && found.Value.Digest == digest,
        () => $"the push of {digest} is accepted");
}
