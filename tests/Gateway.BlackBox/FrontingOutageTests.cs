using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A fronted registry that goes away: pushes say so or wait for it, and pulls go on.</summary>
public sealed class FrontingOutageTests : IAsyncLifetime
{
    private readonly Client _client = new();
    private DockerRegistry _registry = null!;
    private GatewayProcess? _gateway;

    public async ValueTask InitializeAsync() => _registry = await DockerRegistry.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
        {
            if (TestContext.Current.TestState?.Result == TestResult.Failed)
                TestContext.Current.TestOutputHelper?.WriteLine(_gateway.Log);
            await _gateway.DisposeAsync();
        }
        if (_registry is not null)
            await _registry.DisposeAsync();
        _client.Dispose();
    }

    [Fact]
    public async Task Push_fails_and_names_the_registry_that_is_down_and_pulls_go_on()
    {
        await StartAsync();
        var first = await PushAsync("team/app:1", 1);
        await _registry.StopAsync();

        var (layout, second) = OciLayout.SmallImage(_client.Folder["second"], seed: 2);
        var refused = (await _client.CraneAsync("push", "--insecure", layout.Root, At("team/app:2"))).Failed();

        // It begins with a HEAD, whose answer can name nothing.
        Assert.Contains("503 Service Unavailable", refused.Text, StringComparison.Ordinal);
        using (var raw = new RawClient(_gateway!.Host))
        {
            await raw.BlobAsync("team/app", "{}"u8.ToArray(), OciLayout.ImageConfig);
            var manifest = RawClient.Manifest(Described.Of("{}"u8.ToArray(), OciLayout.ImageConfig));
            using var put = await raw.PushManifestAsync("team/app", "2", manifest);
            await RawClient.ExpectErrorAsync(put, 503, "UNAVAILABLE");
            Assert.Contains("upstream corp", await put.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        Assert.Equal(first, await DigestAsync(At("team/app:1")));
        (await _client.CraneAsync("pull", "--insecure", At("team/app:1"), _client.Folder["pulled.tar"])).Succeeded();

        await _registry.StartAgainAsync();
        Output pushed = null!;
        await Eventually.TrueAsync(
            async () => (pushed = await _client.CraneAsync("push", "--insecure", layout.Root, At("team/app:2"))).ExitCode == 0,
            () => pushed.Text);
        Assert.Equal(second.Digest, await DigestAsync(At("team/app:2")));
        Assert.Equal(second.Digest, await DigestAsync($"{_registry.Host}/team/app:2"));
    }

    private string At(string reference) => $"{_gateway!.Host}/{reference}";

    private async Task StartAsync() => _gateway = await GatewayProcess.StartAsync($$"""
        upstreams: { corp: { url: "{{_registry.Url}}" } }
        routes: [{ prefix: "", upstream: corp, push: forward }]
        """);

    private async Task<string> PushAsync(string reference, int seed)
    {
        var (layout, image) = OciLayout.SmallImage(_client.Folder[$"image-{seed}"], seed: seed);
        (await _client.CraneAsync("push", "--insecure", layout.Root, At(reference))).Succeeded();
        return image.Digest;
    }

    private async Task<string> DigestAsync(string reference) =>
        (await _client.CraneAsync("digest", "--insecure", reference)).Succeeded().Stdout.Trim();
}
