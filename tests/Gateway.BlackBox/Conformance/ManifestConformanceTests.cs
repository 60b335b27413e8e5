using System.Net;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Conformance;

/// <summary>Manifests and indexes according to the distribution-spec.</summary>
public class ManifestConformanceTests(RegistryFixture fixture) : IClassFixture<RegistryFixture>, IDisposable
{
    private const string Repository = "conformance/manifests";

    private readonly RawClient _raw = new(fixture.Registry.Host);

    [Fact]
    public async Task Version_endpoint_identifies_a_registry()
    {
        using var answer = await _raw.GetAsync("/v2/");

        await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
    }

    [Fact]
    public async Task Manifest_pushed_by_tag_is_served_byte_for_byte_by_tag_and_by_digest()
    {
        var bytes = await DocumentAsync(1, indented: true);
        var digest = Described.Sha256(bytes);

        using var pushed = await _raw.PushManifestAsync(Repository, "by-tag", bytes);

        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        Assert.Equal(digest, pushed.Headers.GetValues("Docker-Content-Digest").Single());
        await AssertServedAsync("by-tag", bytes, digest);
        await AssertServedAsync(digest, bytes, digest);
    }

    [Fact]
    public async Task Manifest_is_served_under_the_digest_algorithm_of_its_push()
    {
        var bytes = await DocumentAsync(2);
        var digest = Described.Sha512(bytes);

        using var pushed = await _raw.PushManifestAsync(Repository, digest, bytes);

        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        Assert.Equal(digest, pushed.Headers.GetValues("Docker-Content-Digest").Single());
        await AssertServedAsync(digest, bytes, digest);
    }

    [Fact]
    public async Task Digest_in_the_target_must_match_the_document()
    {
        var bytes = await DocumentAsync(3);

        using var pushed = await _raw.PushManifestAsync(Repository, Described.Sha256("another"u8), bytes);

        await RawClient.ExpectErrorAsync(pushed, 400, "DIGEST_INVALID");
    }

    [Theory]
    [InlineData("sha256")]
    [InlineData("sha512")]
    public async Task Push_by_digest_binds_all_tags_that_it_names(string algorithm)
    {
        var bytes = await DocumentAsync(4);
        var digest = algorithm == "sha256" ? Described.Sha256(bytes) : Described.Sha512(bytes);

        using var pushed = await _raw.SendAsync(
            HttpMethod.Put, $"/v2/{Repository}/manifests/{digest}?tag={algorithm}-one&tag={algorithm}-two",
            RawClient.Body(bytes, OciLayout.ImageManifest));

        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        Assert.Equal([$"{algorithm}-one", $"{algorithm}-two"], pushed.Headers.GetValues("OCI-Tag").Order());
        foreach (var tag in (string[])["one", "two"])
            await AssertServedAsync($"{algorithm}-{tag}", bytes, digest);
    }

    [Fact]
    public async Task Invalid_tag_among_the_tags_binds_none()
    {
        var bytes = await DocumentAsync(5);

        using var pushed = await _raw.SendAsync(
            HttpMethod.Put, $"/v2/{Repository}/manifests/{Described.Sha256(bytes)}?tag=fine&tag=-bad",
            RawClient.Body(bytes, OciLayout.ImageManifest));

        Assert.Equal(HttpStatusCode.BadRequest, pushed.StatusCode);
        using var fine = await _raw.GetAsync($"/v2/{Repository}/manifests/fine");
        await RawClient.ExpectErrorAsync(fine, 404, "MANIFEST_UNKNOWN");
    }

    [Fact]
    public async Task Conditional_get_with_the_current_etag_returns_304()
    {
        var bytes = await DocumentAsync(6);
        using (var pushed = await _raw.PushManifestAsync(Repository, "conditional", bytes))
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        using var first = await _raw.GetAsync($"/v2/{Repository}/manifests/conditional");

        using var second = await _raw.GetAsync(
            $"/v2/{Repository}/manifests/conditional", ("If-None-Match", first.Headers.ETag!.ToString()));

        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
    }

    [Fact]
    public async Task Manifest_of_4_MiB_is_accepted()
    {
        var config = await _raw.BlobAsync(Repository, "{}"u8.ToArray(), OciLayout.ImageConfig);
        var manifest = JsonNode.Parse(RawClient.Manifest(config))!;
        manifest["annotations"] = new JsonObject { ["filler"] = new string('x', 4_000_000) };

        using var pushed = await _raw.PushManifestAsync(Repository, "large", OciLayout.Bytes(manifest));

        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
    }

    [Fact]
    public async Task Index_of_indexes_is_served()
    {
        var image = Described.Of(await _raw.ImageAsync(Repository, "leaf", "layer"u8.ToArray()), OciLayout.ImageManifest);
        var inner = Index(image);
        using (var pushed = await _raw.PushManifestAsync(Repository, Described.Sha256(inner), inner, OciLayout.ImageIndex))
            await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        var outer = Index(Described.Of(inner, OciLayout.ImageIndex));

        using var answer = await _raw.PushManifestAsync(Repository, "nested", outer, OciLayout.ImageIndex);

        await RawClient.ExpectAsync(answer, HttpStatusCode.Created);
        await AssertServedAsync("nested", outer, Described.Sha256(outer), OciLayout.ImageIndex);
    }

    [Theory]
    [InlineData("no layers", "[]", "")]
    [InlineData("a type of one's own", "[LAYER]", "application/vnd.example.artifact")]
    public async Task Artifact_is_accepted(string name, string layers, string artifactType)
    {
        var empty = await _raw.BlobAsync(Repository, "{}"u8.ToArray(), "application/vnd.oci.empty.v1+json");
        var manifest = JsonNode.Parse(layers.Length > 2 ? RawClient.Manifest(empty, empty) : RawClient.Manifest(empty))!;
        if (artifactType.Length > 0)
            manifest["artifactType"] = artifactType;

        using var pushed = await _raw.PushManifestAsync(Repository, "artifact", OciLayout.Bytes(manifest));

        Assert.True(pushed.StatusCode == HttpStatusCode.Created, name);
    }

    [Fact]
    public async Task Layer_with_urls_may_be_absent()
    {
        var config = await _raw.BlobAsync(Repository, "{}"u8.ToArray(), OciLayout.ImageConfig);
        var manifest = JsonNode.Parse(RawClient.Manifest(config, new Described(
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Described.Sha256("elsewhere"u8), 9)))!;
        manifest["layers"]![0]!["urls"] = new JsonArray("https://example.test/layer");

        using var pushed = await _raw.PushManifestAsync(Repository, "foreign", OciLayout.Bytes(manifest));

        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
    }

    [Fact]
    public async Task Deleted_tag_is_not_found_and_its_manifest_stays()
    {
        var bytes = await _raw.ImageAsync(Repository, "delete-tag", OciLayout.Noise(20, 100));

        using var deleted = await _raw.DeleteAsync($"/v2/{Repository}/manifests/delete-tag");

        await RawClient.ExpectAsync(deleted, HttpStatusCode.Accepted);
        using var gone = await _raw.GetAsync($"/v2/{Repository}/manifests/delete-tag");
        await RawClient.ExpectErrorAsync(gone, 404, "MANIFEST_UNKNOWN");
        await AssertServedAsync(Described.Sha256(bytes), bytes, Described.Sha256(bytes));
    }

    [Fact]
    public async Task Deleting_a_manifest_deletes_its_tags()
    {
        var bytes = await _raw.ImageAsync(Repository, "delete-one", OciLayout.Noise(21, 100));
        using (var second = await _raw.PushManifestAsync(Repository, "delete-two", bytes))
            await RawClient.ExpectAsync(second, HttpStatusCode.Created);

        using var deleted = await _raw.DeleteAsync($"/v2/{Repository}/manifests/{Described.Sha256(bytes)}");

        await RawClient.ExpectAsync(deleted, HttpStatusCode.Accepted);
        foreach (var reference in (string[])["delete-one", "delete-two", Described.Sha256(bytes)])
        {
            using var gone = await _raw.GetAsync($"/v2/{Repository}/manifests/{reference}");
            await RawClient.ExpectErrorAsync(gone, 404, "MANIFEST_UNKNOWN");
        }
    }

    [Fact]
    public async Task Absent_manifest_returns_404_for_get_head_and_delete()
    {
        foreach (var reference in (string[])["absent", Described.Sha256("absent"u8)])
        {
            using var get = await _raw.GetAsync($"/v2/{Repository}/manifests/{reference}");
            using var head = await _raw.HeadAsync($"/v2/{Repository}/manifests/{reference}");
            using var delete = await _raw.DeleteAsync($"/v2/{Repository}/manifests/{reference}");

            await RawClient.ExpectErrorAsync(get, 404, "MANIFEST_UNKNOWN");
            Assert.Equal(HttpStatusCode.NotFound, head.StatusCode);
            await RawClient.ExpectErrorAsync(delete, 404, "MANIFEST_UNKNOWN");
        }
    }

    public void Dispose()
    {
        _raw.Dispose();
        GC.SuppressFinalize(this);
    }

    private static byte[] Index(Described child) =>
        OciLayout.Bytes(
            new JsonObject { ["schemaVersion"] = 2, ["mediaType"] = OciLayout.ImageIndex, ["manifests"] = new JsonArray(child.ToJson()) });

    private async Task<byte[]> DocumentAsync(int seed, bool indented = false)
    {
        var config = await _raw.BlobAsync(Repository, "{}"u8.ToArray(), OciLayout.ImageConfig);
        var layer = await _raw.BlobAsync(Repository, OciLayout.Noise(seed, 100), OciLayout.GzipLayer);
        var bytes = RawClient.Manifest(config, layer);
        return indented
            ? System.Text.Encoding.UTF8.GetBytes(JsonNode.Parse(bytes)!.ToJsonString(new() { WriteIndented = true }) + "\n")
            : bytes;
    }

    private async Task AssertServedAsync(string reference, byte[] bytes, string digest, string mediaType = OciLayout.ImageManifest)
    {
        using var head = await _raw.HeadAsync($"/v2/{Repository}/manifests/{reference}");
        using var get = await _raw.GetAsync($"/v2/{Repository}/manifests/{reference}");
        foreach (var answer in (HttpResponseMessage[])[head, get])
        {
            await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
            Assert.Equal(mediaType, answer.Content.Headers.ContentType!.ToString());
            Assert.Equal(bytes.Length, answer.Content.Headers.ContentLength);
            Assert.Equal(digest, answer.Headers.GetValues("Docker-Content-Digest").Single());
        }
        Assert.Equal(bytes, await get.Content.ReadAsByteArrayAsync());
    }
}
