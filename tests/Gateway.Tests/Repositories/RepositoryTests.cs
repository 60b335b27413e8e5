using System.Text;
using Gateway.Access;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

public sealed class RepositoryTests : IAsyncLifetime
{
    private GateRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GateRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private static Reference Tag(string tag) => new(TagName.Parse(tag));

    private static async Task<string> BlobAsync(Repository repository, Caller caller, Digest digest)
    {
        var answer = await repository.OpenBlobAsync(caller, digest, BlobUse.Whole, default);
        if (answer is Answer<IContent>.Found found) await found.Value.DisposeAsync();
        return answer.GetType().Name;
    }

    [Fact]
    public async Task Pushed_manifest_is_served_byte_for_byte_by_tag_and_digest()
    {
        var repository = _rig.Repository("team/app");
        var config = await GateRig.PushBlobAsync(repository, "config");
        var bytes = GateRig.Manifest(config);
        await GateRig.PutAsync(repository, "v1", bytes);
        foreach (var reference in new[] { Tag("v1"), new Reference(Digest.Of(bytes)) })
        {
            var found = Assert.IsType<Answer<StoredManifest>.Found>(await repository.GetManifestAsync(GateRig.Puller, reference, default));
            Assert.Equal(bytes, found.Value.Bytes.ToArray());
        }
    }

    [Fact]
    public async Task Push_of_a_manifest_that_names_an_absent_blob_is_refused_and_nothing_is_stored()
    {
        var repository = _rig.Repository("team/app");
        var bytes = GateRig.Manifest(new(MediaTypes.OciConfig, Digest.Of("absent"u8), 6));
        var invalid = Assert.IsType<Answer<PushedManifest>.Invalid>(await GateRig.PutAsync(repository, "v1", bytes));
        Assert.Equal(RegistryErrorCode.MANIFEST_BLOB_UNKNOWN, invalid.Code);
        Assert.Contains(Digest.Of("absent"u8).ToString(), invalid.Message, StringComparison.Ordinal);
        Assert.IsType<Answer<StoredManifest>.Absent>(await repository.GetManifestAsync(GateRig.Anybody, Tag("v1"), default));
    }

    [Fact]
    public async Task Blob_of_another_repository_does_not_count()
    {
        var config = await GateRig.PushBlobAsync(_rig.Repository("other"), "config");
        var invalid = Assert.IsType<Answer<PushedManifest>.Invalid>(await GateRig.PutAsync(
            _rig.Repository("team/app"), "v1", GateRig.Manifest(config)));
        Assert.Equal(RegistryErrorCode.MANIFEST_BLOB_UNKNOWN, invalid.Code);
    }

    [Fact]
    public async Task Wrong_size_of_a_blob_or_type_of_a_child_is_refused()
    {
        var repository = _rig.Repository("team/app");
        var config = await GateRig.PushBlobAsync(repository, "config");
        var size = Assert.IsType<Answer<PushedManifest>.Invalid>(await GateRig.PutAsync(
            repository, "v1", GateRig.Manifest(config with { Size = 7 })));
        Assert.Equal((RegistryErrorCode.MANIFEST_INVALID, "SIZE_MISMATCH"), (size.Code, size.Detail));
        var child = GateRig.Manifest(config);
        await GateRig.PutAsync(repository, Digest.Of(child).ToString(), child);
        var lie = GateRig.Index(new Descriptor(MediaTypes.DockerManifest, Digest.Of(child), child.Length));
        var type = Assert.IsType<Answer<PushedManifest>.Invalid>(await GateRig.PutAsync(repository, "v1", lie, MediaTypes.OciIndex));
        Assert.Equal("MEDIA_MISMATCH", type.Detail);
    }

    [Fact]
    public async Task All_tags_of_a_push_by_digest_are_bound_or_none()
    {
        var repository = _rig.Repository("team/app");
        var config = await GateRig.PushBlobAsync(repository, "config");
        var bytes = GateRig.Manifest(config);
        var digest = new Reference(Digest.Of(bytes));
        var push = new ManifestPush(digest, [TagName.Parse("a"), TagName.Parse("b")], MediaTypes.OciManifest, bytes);
        var pushed = Assert.IsType<Answer<PushedManifest>.Found>(await repository.PutManifestAsync(GateRig.Anybody, push, default));
        Assert.Equal(["a", "b"], pushed.Value.Tags.Select(t => t.Value));
        Assert.IsType<Answer<StoredManifest>.Found>(await repository.GetManifestAsync(GateRig.Anybody, Tag("b"), default));
    }

    [Fact]
    public async Task Refused_type_stores_nothing_and_says_what_to_add()
    {
        var repository = _rig.Repository("team/app", GateRig.Types());
        var config = await GateRig.PushBlobAsync(repository, "{}", GateRig.Wasm);
        var layer = await GateRig.PushBlobAsync(repository, "wasm", "application/wasm");
        var bytes = GateRig.Manifest(config, layer);
        var refused = Assert.IsType<Answer<PushedManifest>.Refused>(await GateRig.PutAsync(repository, "v1", bytes));
        Assert.Contains(GateRig.Wasm, refused.Decision.Message, StringComparison.Ordinal);
        Assert.Contains("ALLOWED_OCI_ARTIFACT_TYPES", refused.Decision.Message, StringComparison.Ordinal);
        Assert.Equal(repository.Name, _rig.Router().FindDecision(refused.Decision.Id)!.Repository);
        Assert.IsType<Answer<StoredManifest>.Absent>(await repository.GetManifestAsync(GateRig.Pusher, new(Digest.Of(bytes)), default));
        Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(
            _rig.Repository("team/app", GateRig.Types(wasm: true)), "v1", bytes));
    }

    [Fact]
    public async Task Image_that_a_new_policy_refuses_is_hidden_from_pullers_at_once_with_its_blobs()
    {
        var digest = await GateRig.PushAsync(_rig.Repository("team/app"), "v1", GateRig.Wasm, "{}");
        var blob = Digest.Of("{}"u8);
        var tightened = _rig.Repository("team/app", GateRig.Types());
        Assert.IsType<Answer<StoredManifest>.Hidden>(await tightened.GetManifestAsync(GateRig.Puller, Tag("v1"), default));
        Assert.IsType<Answer<StoredManifest>.Hidden>(await tightened.GetManifestAsync(GateRig.Anybody, new(digest), default));
        Assert.Equal("Absent", await BlobAsync(tightened, GateRig.Puller, blob));
        var shown = Assert.IsType<Answer<StoredManifest>.Found>(await tightened.GetManifestAsync(GateRig.Pusher, Tag("v1"), default));
        Assert.NotNull(shown.Warning);
        Assert.IsType<Answer<StoredManifest>.Found>(await _rig.Repository("team/app").GetManifestAsync(GateRig.Puller, Tag("v1"), default));
    }

    [Fact]
    public async Task Blob_that_no_admitted_manifest_names_is_visible_only_to_pushers()
    {
        var repository = _rig.Repository("team/app", GateRig.Types());
        var config = await GateRig.PushBlobAsync(repository, "config");
        Assert.Equal("Absent", await BlobAsync(repository, GateRig.Puller, config.Digest));
        Assert.Equal("Found", await BlobAsync(repository, GateRig.Pusher, config.Digest));
        await GateRig.PutAsync(repository, "v1", GateRig.Manifest(config));
        Assert.Equal("Found", await BlobAsync(repository, GateRig.Puller, config.Digest));
    }

    [Fact]
    public async Task Blob_is_still_served_when_another_manifest_names_it_after_a_deletion()
    {
        var repository = _rig.Repository("team/app", GateRig.Types());
        var config = await GateRig.PushBlobAsync(repository, "config");
        var layer = await GateRig.PushBlobAsync(repository, "layer", "application/vnd.oci.image.layer.v1.tar");
        await GateRig.PutAsync(repository, "v1", GateRig.Manifest(config));
        var last = GateRig.Manifest(config, layer);
        await GateRig.PutAsync(repository, "v2", last);
        await repository.DeleteManifestAsync(GateRig.Pusher, new(Digest.Of(last)), default);
        Assert.Equal("Found", await BlobAsync(repository, GateRig.Puller, config.Digest));
        Assert.Equal("Absent", await BlobAsync(repository, GateRig.Puller, layer.Digest));
    }

    [Fact]
    public async Task Index_with_a_refused_child_is_refused()
    {
        var open = _rig.Repository("team/app");
        var child = GateRig.Manifest(await GateRig.PushBlobAsync(open, "{}", GateRig.Wasm));
        await GateRig.PutAsync(open, Digest.Of(child).ToString(), child);
        var index = GateRig.Index(new Descriptor(MediaTypes.OciManifest, Digest.Of(child), child.Length));
        var refused = Assert.IsType<Answer<PushedManifest>.Refused>(await GateRig.PutAsync(
            _rig.Repository("team/app", GateRig.Types()), "v1", index, MediaTypes.OciIndex));
        Assert.Contains(refused.Decision.Verdict.Reasons, r => r.Code == "CHILD_DENIED");
    }

    [Fact]
    public async Task Referrer_is_listed_by_type_also_before_its_subject_is_pushed()
    {
        var repository = _rig.Repository("team/app");
        var subject = new Descriptor(MediaTypes.OciManifest, Digest.Of("later"u8), 5);
        var signature = GateRig.Manifest(await GateRig.PushBlobAsync(repository, "{}", "application/vnd.example.sig"), subject: subject);
        var pushed = Assert.IsType<Answer<PushedManifest>.Found>(await GateRig.PutAsync(
            repository, Digest.Of(signature).ToString(), signature));
        Assert.Equal(subject.Digest, pushed.Value.Subject);
        async Task<int> CountAsync(string? type) =>
            ((Answer<ReferrersPage>.Found)await repository.ReferrersAsync(GateRig.Puller, subject.Digest, type, null, default))
                .Value.Items.Count;
        Assert.Equal((1, 1, 0), (await CountAsync(null), await CountAsync("application/vnd.example.sig"), await CountAsync("other/type")));
    }

    [Fact]
    public async Task Upload_of_another_account_or_repository_is_not_found()
    {
        var repository = _rig.Repository("team/app");
        var opened = (Answer<Upload>.Found)await repository.OpenUploadAsync(GateRig.Pusher, DigestAlgorithm.Sha256, default);
        await opened.Value.DisposeAsync();
        Assert.IsType<Answer<Upload>.Absent>(await repository.FindUploadAsync(
            GateRig.Pusher with { Actor = "eve" }, opened.Value.Id, default));
        Assert.IsType<Answer<Upload>.Absent>(await _rig.Repository("other").FindUploadAsync(GateRig.Pusher, opened.Value.Id, default));
        var found = Assert.IsType<Answer<Upload>.Found>(await repository.FindUploadAsync(GateRig.Pusher, opened.Value.Id, default));
        await found.Value.DisposeAsync();
    }

    [Fact]
    public async Task Wrong_digest_loses_nothing_of_the_upload()
    {
        var repository = _rig.Repository("team/app");
        var opened = (Answer<Upload>.Found)await repository.OpenUploadAsync(GateRig.Pusher, DigestAlgorithm.Sha256, default);
        await using var upload = opened.Value;
        await upload.AppendAsync(new MemoryStream(Encoding.UTF8.GetBytes("right")), default);
        var wrong = Assert.IsType<Answer<Digest>.Invalid>(await repository.CompleteUploadAsync(
            GateRig.Pusher, upload, Digest.Of("wrong"u8), default));
        Assert.Equal(RegistryErrorCode.DIGEST_INVALID, wrong.Code);
        Assert.IsType<Answer<Digest>.Found>(await repository.CompleteUploadAsync(GateRig.Pusher, upload, Digest.Of("right"u8), default));
    }

    [Fact]
    public async Task Mount_requires_the_right_to_pull_from_the_source()
    {
        var source = _rig.Repository("source");
        var blob = await GateRig.PushBlobAsync(source, "shared");
        var target = _rig.Repository("target");
        Assert.False(await target.MountAsync(GateRig.Pusher, blob.Digest, source, GateRig.Pusher with { Rights = default }, default));
        Assert.False(await target.MountAsync(GateRig.Pusher, Digest.Of("absent"u8), source, GateRig.Pusher, default));
        Assert.Equal("Absent", await BlobAsync(target, GateRig.Pusher, blob.Digest));
        Assert.True(await target.MountAsync(GateRig.Pusher, blob.Digest, source, GateRig.Pusher, default));
        Assert.Equal("Found", await BlobAsync(target, GateRig.Pusher, blob.Digest));
    }

    [Fact]
    public async Task Rule_of_pulls_applies_to_pulls_by_digest()
    {
        var rule = new RuleOptions { Id = "pulls", Require = new() { ArtifactTypes = true }, Stages = [Stage.Pull] };
        var policy = GateRig.Types() with { Rules = [rule] };
        var repository = _rig.Repository("team/app", policy);
        var digest = await GateRig.PushAsync(repository, "v1", GateRig.Wasm);
        Assert.IsType<Answer<StoredManifest>.Hidden>(await repository.GetManifestAsync(GateRig.Puller, Tag("v1"), default));
        Assert.IsType<Answer<StoredManifest>.Hidden>(await repository.GetManifestAsync(GateRig.Puller, new(digest), default));
        Assert.Equal("Absent", await BlobAsync(repository, GateRig.Puller, Digest.Of("config"u8)));
    }

    [Fact]
    public async Task Platforms_that_pulls_require_are_asked_of_an_image_under_a_tag_but_not_by_digest()
    {
        var platforms = new PlatformOptions { MustInclude = ["linux/amd64", "linux/arm64"] };
        var rule = new RuleOptions { Id = "platforms", Require = new() { Platforms = platforms }, Stages = [Stage.Pull] };
        var repository = _rig.Repository("team/app", GateRig.Types() with { Rules = [rule] });
        var digest = await GateRig.PushAsync(repository, "v1", text: """{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}""");
        Assert.IsType<Answer<StoredManifest>.Hidden>(await repository.GetManifestAsync(GateRig.Puller, Tag("v1"), default));
        Assert.IsType<Answer<StoredManifest>.Found>(await repository.GetManifestAsync(GateRig.Puller, new(digest), default));
    }

    [Fact]
    public async Task Rule_of_pushes_to_a_tag_applies_to_every_tag_of_the_push()
    {
        var rule = new RuleOptions { Id = "prod", Require = new() { ArtifactTypes = true }, Stages = [Stage.Push], IncludeTags = ["prod"] };
        var repository = _rig.Repository("team/app", GateRig.Types() with { Rules = [rule] });
        var bytes = GateRig.Manifest(await GateRig.PushBlobAsync(repository, "config", GateRig.Wasm));
        var push = new ManifestPush(new(Digest.Of(bytes)), [TagName.Parse("dev"), TagName.Parse("prod")], MediaTypes.OciManifest, bytes);
        Assert.IsType<Answer<PushedManifest>.Refused>(await repository.PutManifestAsync(GateRig.Pusher, push, default));
    }
}
