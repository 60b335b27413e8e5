using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Images signed at the upstream verify through the gateway, also while the upstream is down.</summary>
public sealed class SignedUpstreamTests : IAsyncLifetime
{
    private readonly Client _client = new();
    private DockerRegistry _upstream = null!;
    private GatewayProcess _gateway = null!;
    private string _digest = "";

    public async ValueTask InitializeAsync()
    {
        var (layout, image) = OciLayout.SmallImage(_client.Folder["image"]);
        _digest = image.Digest;
        _upstream = await DockerRegistry.StartAsync();
        _gateway = await GatewayProcess.StartAsync($$"""upstreams: { corp: { url: "http://{{_upstream.Host}}" } }""");
        (await _client.CraneAsync("push", "--insecure", layout.Root, $"{_upstream.Host}/team/app:1")).Succeeded();
        (await _client.RunAsync("cosign3", "generate-key-pair")).Succeeded();
        (await _client.RunAsync("cosign3", "signing-config", "create", "--out", _client.Folder["services.json"])).Succeeded();
    }

    /// <remarks>
    /// cosign 2 writes a .sig tag; cosign 3 a referrer, which this upstream keeps under a fallback tag, for it has no API for them.
    /// </remarks>
    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Signature_verified_once_is_verified_again_while_the_upstream_is_down(string cosign)
    {
        await SignAsync(cosign);
        (await _client.CraneAsync("pull", "--insecure", $"{_gateway.Host}/corp/team/app:1", _client.Folder["pulled.tar"])).Succeeded();
        (await VerifyAsync(cosign)).Succeeded();

        await _upstream.StopAsync();

        (await VerifyAsync(cosign)).Succeeded();
    }

    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Signature_that_was_prefetched_with_the_image_is_verified_while_the_upstream_is_down(string cosign)
    {
        await SignAsync(cosign);
        (await _client.CraneAsync("pull", "--insecure", $"{_gateway.Host}/corp/team/app:1", _client.Folder["pulled.tar"])).Succeeded();
        await CameWithItAsync();

        await _upstream.StopAsync();

        (await VerifyAsync(cosign)).Succeeded();
    }

    /// <summary>Waits until the log says that the image's referrers are cached.</summary>
    private async Task CameWithItAsync()
    {
        using var http = new HttpClient();
        var metrics = "";
        await Eventually.TrueAsync(
            async () => (metrics = await http.GetStringAsync(new Uri(_gateway.Operator, "/metrics")))
                .Contains("gateway_prefetch_referrers_total{result=\"kept\"", StringComparison.Ordinal),
            () => $"{metrics}\n{_gateway.Log}");
    }

    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Image_signed_there_is_admitted_at_its_first_pull_and_an_unsigned_one_is_not(string cosign)
    {
        await using var gateway = await GatewayProcess.StartAsync($$"""
            upstreams: { corp: { url: "http://{{_upstream.Host}}" } }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{_client.Folder["cosign.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules: [{ id: signed, require: { signatures: [{ authority: release }] } }]
            """);
        await SignAsync(cosign);
        var (layout, _) = OciLayout.SmallImage(_client.Folder["unsigned"]);
        (await _client.CraneAsync("push", "--insecure", layout.Root, $"{_upstream.Host}/team/unsigned:1")).Succeeded();

        (await _client.CraneAsync("pull", "--insecure", $"{gateway.Host}/corp/team/app:1", _client.Folder["pulled.tar"])).Succeeded();
        var refused = await _client.CraneAsync(
            "pull", "--insecure", $"{gateway.Host}/corp/team/unsigned:1", _client.Folder["unsigned.tar"]);
        Assert.Contains("rule 'signed'", refused.Failed().Text, StringComparison.Ordinal);
    }

    /// <remarks>With coverage of children, nobody has pulled an image of the index when its tag is pulled first.</remarks>
    [Fact]
    public async Task Index_whose_images_are_signed_is_pulled_image_by_image()
    {
        await using var gateway = await GatewayProcess.StartAsync($$"""
            upstreams: { corp: { url: "http://{{_upstream.Host}}" } }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{_client.Folder["cosign.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules: [{ id: signed, require: { signatures: [{ authority: release, coverage: { index: children } }] } }]
            """);
        var layout = new OciLayout(_client.Folder["index"]);
        var (signed, unsigned) =
            (layout.AddImage("amd64", ("a", "one"u8.ToArray())), layout.AddImage("arm64", ("a", "two"u8.ToArray())));
        layout.Tag("1", layout.AddIndex(("amd64", signed), ("arm64", unsigned)));
        (await _client.CraneAsync("push", "--insecure", layout.Root, $"{_upstream.Host}/team/index:1")).Succeeded();
        (await _client.RunAsync(
            "cosign2", "sign", "-y", "--allow-http-registry", "--key", _client.Folder["cosign.key"], "--tlog-upload=false",
            $"{_upstream.Host}/team/index@{signed.Digest}")).Succeeded();

        (await PullAsync("linux/amd64")).Succeeded();
        Assert.Contains("rule 'signed'", (await PullAsync("linux/arm64")).Failed().Text, StringComparison.Ordinal);

        Task<Output> PullAsync(string platform) => _client.CraneAsync(
            "pull", "--insecure", "--platform", platform, $"{gateway.Host}/corp/team/index:1", _client.Folder["pulled.tar"]);
    }

    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Unsigned_image_is_not_admitted_while_the_upstream_is_down(string cosign)
    {
        (await _client.CraneAsync("pull", "--insecure", $"{_gateway.Host}/corp/team/app:1", _client.Folder["pulled.tar"])).Succeeded();
        (await VerifyAsync(cosign)).Failed();

        await _upstream.StopAsync();

        (await VerifyAsync(cosign)).Failed();
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _upstream.DisposeAsync();
        _client.Dispose();
    }

    private async Task SignAsync(string cosign) => (await _client.RunAsync(
        cosign, "sign", "-y", "--allow-http-registry", "--key", _client.Folder["cosign.key"],
        cosign == "cosign2" ? "--tlog-upload=false" : $"--signing-config={_client.Folder["services.json"]}",
        $"{_upstream.Host}/team/app@{_digest}")).Succeeded();

    private Task<Output> VerifyAsync(string cosign) => _client.RunAsync(
        cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _client.Folder["cosign.pub"],
        $"{_gateway.Host}/corp/team/app@{_digest}");
}
