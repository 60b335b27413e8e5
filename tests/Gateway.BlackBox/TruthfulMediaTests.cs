using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Layers with truthful media types, made by real clients, and layers with wrong ones, through the whole gateway.</summary>
public sealed class TruthfulMediaTests : IAsyncLifetime
{
    private static readonly byte[] Elf = [0x7F, .. "ELF"u8, .. OciLayout.Noise(1, 5000)];
    private static readonly byte[] Page = "<!DOCTYPE html><html><script>alert(1)</script></html>"u8.ToArray();

    private readonly Client _client = new();
    private DockerRegistry _upstream = null!;
    private GatewayProcess _gateway = null!;
    private RawClient _raw = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await DockerRegistry.StartAsync();
        _gateway = await GatewayProcess.StartAsync(Configuration("told"));
        _raw = new RawClient(_gateway.Host);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    [InlineData("zstd:chunked")]
    public async Task Image_packed_by_skopeo_has_truthful_media_types(string format)
    {
        var (layout, _) = OciLayout.SmallImage(_client.Folder["image"]);

        (await _client.SkopeoAsync(
            "copy", "--dest-compress-format", format, "--dest-tls-verify=false", $"oci:{layout.Root}:1",
            $"docker://{_gateway.Host}/strict/app:1")).Succeeded();

        (await _client.SkopeoAsync(
            "copy", "--src-tls-verify=false", $"docker://{_gateway.Host}/strict/app:1", $"oci:{_client.Folder["back"]}:1")).Succeeded();
        var printed = (await _client.CraneAsync("manifest", "--insecure", $"{_gateway.Host}/strict/app:1")).Succeeded();
        var manifest = JsonNode.Parse(printed.Stdout)!;
        Assert.EndsWith($"tar+{format.Split(':')[0]}", manifest["layers"]![0]!["mediaType"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Image_that_skopeo_encrypts_is_opaque_and_denied()
    {
        using var key = RSA.Create(3072);
        var publicKey = _client.Folder.Write("public.pem", key.ExportSubjectPublicKeyInfoPem());
        var (layout, _) = OciLayout.SmallImage(_client.Folder["image"]);

        var pushed = (await _client.SkopeoAsync(
            "copy", "--dest-tls-verify=false", "--encryption-key", $"jwe:{publicKey}", $"oci:{layout.Root}:1",
            $"docker://{_gateway.Host}/strict/app:1")).Failed();

        Assert.Contains("is encrypted, so the gateway cannot check it", pushed.Text, StringComparison.Ordinal);
    }

    public static TheoryData<string, byte[]> Untruthful => new()
    {
        { "a program", Elf },
        { "a page", Page },
        { "a program in gzip", OciLayout.Gzip(Elf) },
        { "a second archive in a member of its own", [.. OciLayout.Gzip(Layer("one")), .. OciLayout.Gzip(Layer("two"))] },
        { "a file behind the archive", [.. OciLayout.Gzip(Layer("one")), .. Elf] },
    };

    [Theory]
    [MemberData(nameof(Untruthful))]
    public async Task Layer_with_a_wrong_media_type_is_denied_or_reported(string what, byte[] layer)
    {
        using var denied = await PushAsync("strict/app", layer);
        using var told = await PushAsync("told/app", layer);

        await RawClient.ExpectErrorAsync(denied, 403, "DENIED");
        Assert.Contains(
            "says application/vnd.oci.image.layer.v1.tar+gzip and is", await denied.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await RawClient.ExpectAsync(told, HttpStatusCode.Created);
        Assert.True(told.Headers.Contains("Warning"), what);
    }

    [Fact]
    public async Task Layer_that_the_config_does_not_name_is_denied()
    {
        using var denied = await PushAsync("strict/app", OciLayout.Gzip(Layer("one")), named: Layer("other"));
        using var taken = await PushAsync("strict/app", OciLayout.Gzip(Layer("one")), named: Layer("one"));

        await RawClient.ExpectErrorAsync(denied, 403, "DENIED");
        await RawClient.ExpectAsync(taken, HttpStatusCode.Created);
    }

    [Fact]
    public async Task Image_of_an_upstream_is_checked_before_it_is_served_when_the_rule_is_enforced()
    {
        var good = OciLayout.SmallImage(_client.Folder["good"]).Layout;
        (await _client.CraneAsync("push", "--insecure", good.Root, $"{_upstream.Host}/strict/app:good")).Succeeded();
        await UpstreamAsync("strict/app", "evil");

        (await _client.CraneAsync("pull", "--insecure", $"{_gateway.Host}/corp/strict/app:good", _client.Folder["good.tar"])).Succeeded();
        var refused = (await _client.CraneAsync(
            "pull", "--insecure", $"{_gateway.Host}/corp/strict/app:evil", _client.Folder["evil.tar"])).Failed();

        Assert.Contains("says application/vnd.oci.image.layer.v1.tar+gzip and is", refused.Text, StringComparison.Ordinal);
        using var layer = await _raw.GetAsync($"/v2/corp/strict/app/blobs/{Described.Sha256(Elf)}");
        Assert.Equal(HttpStatusCode.NotFound, layer.StatusCode);
    }

    [Fact]
    public async Task Image_of_an_upstream_is_reported_once_its_layers_are_cached_when_the_rule_warns()
    {
        await UpstreamAsync("told/app", "evil");

        using var first = await _raw.GetAsync("/v2/corp/told/app/manifests/evil");
        await RawClient.ExpectAsync(first, HttpStatusCode.OK);
        Assert.False(first.Headers.Contains("Warning"));
        using var layer = await _raw.GetAsync($"/v2/corp/told/app/blobs/{Described.Sha256(Elf)}");
        Assert.Equal(Elf, await layer.Content.ReadAsByteArrayAsync());

        // The verdict without the bytes is cached for a minute; another policy evaluates at once.
        _gateway.Configure(Configuration("told-again"));
        await Eventually.TrueAsync(
            async () =>
            {
                using var later = await _raw.GetAsync("/v2/corp/told/app/manifests/evil");
                return later.Headers.TryGetValues("Warning", out var told) && told.Any(
                    w => w.Contains("and is not gzip", StringComparison.Ordinal));
            },
            () => _gateway.Log);
    }

    public async ValueTask DisposeAsync()
    {
        _raw.Dispose();
        await _gateway.DisposeAsync();
        await _upstream.DisposeAsync();
        _client.Dispose();
    }

    private string Configuration(string id) => $$"""
        upstreams: { corp: { url: "http://{{_upstream.Host}}" } }
        policy:
          default: allow
          rules:
            - id: truthful
              match: { repos: ["strict/**", "corp/strict/**"] }
              require: { truthfulMedia: [gzip, zstd, tar, json], layerDigestCheck: true }
            - id: {{id}}
              match: { repos: ["told/**", "corp/told/**"] }
              require: { truthfulMedia: [gzip, zstd, tar, json] }
              mode: warn
        """;

    private static byte[] Layer(string text) => OciLayout.Tar(("file", System.Text.Encoding.UTF8.GetBytes(text)));

    private async Task<HttpResponseMessage> PushAsync(string repository, byte[] layer, byte[]? named = null)
    {
        var config = await _raw.BlobAsync(repository, Config(named ?? layer), OciLayout.ImageConfig);
        var manifest = RawClient.Manifest(config, await _raw.BlobAsync(repository, layer, OciLayout.GzipLayer));
        return await _raw.PushManifestAsync(repository, "pushed", manifest);
    }

    private async Task UpstreamAsync(string repository, string tag)
    {
        using var raw = new RawClient(_upstream.Host);
        var config = await raw.BlobAsync(repository, Config(Elf), OciLayout.ImageConfig);
        var manifest = RawClient.Manifest(config, await raw.BlobAsync(repository, Elf, OciLayout.GzipLayer));
        using var pushed = await raw.PushManifestAsync(repository, tag, manifest);
        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
    }

    private static byte[] Config(byte[] layer) => OciLayout.Bytes(new JsonObject
    {
        ["architecture"] = "amd64",
        ["os"] = "linux",
        ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = new JsonArray(Described.Sha256(layer)) },
    });
}
