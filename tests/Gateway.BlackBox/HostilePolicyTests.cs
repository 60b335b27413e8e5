using System.Net;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Attempts to bypass the allowlist.</summary>
public sealed class HostilePolicyTests : IAsyncLifetime
{
    private const string Repository = "guarded/app";

    private GatewayProcess _gateway = null!;
    private RawClient _raw = null!;
    private Described _layer = null!;
    private Described _config = null!;

    public async ValueTask InitializeAsync()
    {
        _gateway = await GatewayProcess.StartAsync("""
            policy:
              default: allow
              artifactTypes:
                ALLOWED_OCI_ARTIFACT_TYPES:
                  application/vnd.sylabs.sif.config.v1+json: [application/vnd.sylabs.sif.layer.v1.sif]
                  application/vnd.example.allowed: [application/vnd.example.layer]
            """);
        _raw = new RawClient(_gateway.Host);
        _config = await _raw.BlobAsync(Repository, "{}"u8.ToArray(), OciLayout.ImageConfig);
        _layer = await _raw.BlobAsync(Repository, "layer"u8.ToArray(), OciLayout.GzipLayer);
    }

    /// <summary>Config type, layer type, and artifactType or empty.</summary>
    [Theory]
    [InlineData("application/vnd.sylabs.sif.config.v1+json", "application/vnd.example.layer", "")] // each allowed, not as a pair
    [InlineData("application/vnd.cncf.helm.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip", "")]
    [InlineData("application/vnd.oci.image.config.v1+json", "application/vnd.example.evil", "")]
    [InlineData("application/vnd.oci.empty.v1+json", "application/vnd.oci.empty.v1+json", "application/vnd.example.evil")]
    [InlineData("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.example.evil")]
    [InlineData("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "")]
    [InlineData("application/vnd.SYLABS.sif.config.v1+json", "application/vnd.sylabs.sif.layer.v1.sif", "")]
    public async Task Pair_of_types_that_is_not_listed_is_denied(string config, string layer, string artifactType)
    {
        var document = Document(config, layer, artifactType);

        using var answer = await _raw.PushManifestAsync(Repository, "denied", document);

        await RawClient.ExpectErrorAsync(answer, 403, "DENIED");
        Assert.False(answer.Headers.Contains("WWW-Authenticate"));
        using var byDigest = await _raw.GetAsync($"/v2/{Repository}/manifests/{Described.Sha256(document)}");
        Assert.Equal(HttpStatusCode.NotFound, byDigest.StatusCode);
    }

    [Theory]
    [InlineData("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+zstd", "")]
    [InlineData("application/vnd.sylabs.sif.config.v1+json", "application/vnd.sylabs.sif.layer.v1.sif", "")]
    [InlineData("application/vnd.oci.empty.v1+json", "application/vnd.example.layer", "application/vnd.example.allowed")]
    public async Task Pair_of_types_that_is_listed_is_accepted(string config, string layer, string artifactType)
    {
        using var answer = await _raw.PushManifestAsync(Repository, "allowed", Document(config, layer, artifactType));

        await RawClient.ExpectAsync(answer, HttpStatusCode.Created);
    }

    [Fact]
    public async Task Denied_document_is_denied_by_digest_and_under_every_tag_at_once()
    {
        var document = Document("application/vnd.example.evil", "application/vnd.example.evil", "");
        var digest = Described.Sha256(document);

        using var byDigest = await _raw.PushManifestAsync(Repository, digest, document);
        using var withTags = await _raw.SendAsync(
            HttpMethod.Put, $"/v2/{Repository}/manifests/{digest}?tag=latest&tag=prod", RawClient.Body(document, OciLayout.ImageManifest));

        await RawClient.ExpectErrorAsync(byDigest, 403, "DENIED");
        await RawClient.ExpectErrorAsync(withTags, 403, "DENIED");
        using var latest = await _raw.GetAsync($"/v2/{Repository}/manifests/latest");
        await RawClient.ExpectErrorAsync(latest, 404, "MANIFEST_UNKNOWN");
    }

    [Fact]
    public async Task Layers_with_urls_are_denied_under_a_policy()
    {
        var document = Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"mediaType":"{{OciLayout.ImageManifest}}","config":{{_config.ToJson().ToJsonString()}},"layers":[
             {"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip","digest":"{{_layer.Digest}}","size":{{_layer.Size}},"urls":["http://169.254.169.254/latest"]}]}
            """);

        using var answer = await _raw.PushManifestAsync(Repository, "foreign", document);

        await RawClient.ExpectErrorAsync(answer, 403, "DENIED");
    }

    [Fact]
    public async Task Depth_of_nested_indexes_is_limited()
    {
        var document = Document("application/vnd.oci.image.config.v1+json", OciLayout.GzipLayer, "");
        var child = Described.Of(document, OciLayout.ImageManifest);
        var pushed = await _raw.PushManifestAsync(Repository, child.Digest, document);
        var levels = 0;
        while (pushed.StatusCode == HttpStatusCode.Created && levels < 10)
        {
            pushed.Dispose();
            document = Encoding.UTF8.GetBytes(
                $$"""{"schemaVersion":2,"mediaType":"{{OciLayout.ImageIndex}}","manifests":[{{child.ToJson().ToJsonString()}}]}""");
            child = Described.Of(document, OciLayout.ImageIndex);
            pushed = await _raw.PushManifestAsync(Repository, child.Digest, document, OciLayout.ImageIndex);
            levels++;
        }

        using (pushed)
            await RawClient.ExpectErrorAsync(pushed, 403, "DENIED");
        Assert.Equal(5, levels); // parser.maxIndexDepth is 3 below the index
    }

    public async ValueTask DisposeAsync()
    {
        _raw.Dispose();
        await _gateway.DisposeAsync();
    }

    private byte[] Document(string config, string layer, string artifactType)
    {
        var manifest = System.Text.Json.Nodes.JsonNode.Parse(
            RawClient.Manifest(_config with { MediaType = config }, _layer with { MediaType = layer }))!;
        if (artifactType.Length > 0)
            manifest["artifactType"] = artifactType;
        return OciLayout.Bytes(manifest);
    }
}
