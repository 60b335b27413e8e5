using System.Diagnostics;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// What a real client has just signed or attached at the upstream, the same client finds through the gateway within 5 s: also where it
/// found nothing, or another signature, a moment before.
/// </summary>
public sealed class FreshEvidenceTests : IAsyncDisposable
{
    private readonly Client _client = new();
    private IRegistry _upstream = null!;
    private GatewayProcess _gateway = null!;
    private string _image = "";

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null) await _gateway.DisposeAsync();
        if (_upstream is not null) await _upstream.DisposeAsync();
        _client.Dispose();
    }

    /// <remarks>
    /// The gateway as an upstream has the referrers API. Debian's docker-registry has none: clients list referrers under the fallback tag.
    /// </remarks>
    [Theory]
    [InlineData("cosign2", true)]
    [InlineData("cosign2", false)]
    [InlineData("cosign3", true)]
    [InlineData("cosign3", false)]
    public async Task Signature_of_cosign_is_verified_within_5_seconds(string cosign, bool hasApi)
    {
        await StartAsync(hasApi);
        (await _client.RunAsync("cosign3", "signing-config", "create", "--out", _client.Folder["services.json"])).Succeeded();
        foreach (var signer in new[] { "first", "second" })
        {
            (await _client.RunAsync(cosign, "generate-key-pair", "--output-key-prefix", signer)).Succeeded();
            (await VerifyAsync(signer)).Failed();
            (await _client.RunAsync(
                cosign, "sign", "-y", "--allow-http-registry", "--key", _client.Folder[$"{signer}.key"],
                cosign == "cosign2" ? "--tlog-upload=false" : $"--signing-config={_client.Folder["services.json"]}",
                AtUpstream)).Succeeded();
            await WithinFiveSecondsAsync(async () => (await VerifyAsync(signer)).ExitCode == 0);
        }

        Task<Output> VerifyAsync(string signer) => _client.RunAsync(
            cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _client.Folder[$"{signer}.pub"], Through);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Signature_of_notation_is_verified_within_5_seconds(bool hasApi)
    {
        await StartAsync(hasApi);
        // notation has its keys and its policy there.
        _client.Environment["XDG_CONFIG_HOME"] = _client.Folder["home/.config"];
        foreach (var signer in new[] { "first.example", "second.example" })
        {
            (await _client.RunAsync("notation", "cert", "generate-test", signer)).Succeeded();
            _client.Folder.Write("home/.config/notation/trustpolicy.json", $$"""
                { "version": "1.0", "trustPolicies": [ {
                    "name": "fresh", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
                    "trustStores": ["ca:{{signer}}"], "trustedIdentities": ["*"] } ] }
                """);
            (await VerifyAsync()).Failed();
            (await _client.RunAsync("notation", "sign", "--insecure-registry", "--key", signer, AtUpstream)).Succeeded();
            await WithinFiveSecondsAsync(async () => (await VerifyAsync()).ExitCode == 0);
        }

        Task<Output> VerifyAsync() => _client.RunAsync("notation", "verify", "--insecure-registry", Through);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Artifact_that_oras_attached_is_discovered_within_5_seconds(bool hasApi)
    {
        await StartAsync(hasApi);
        for (var count = 1; count <= 2; count++)
        {
            Assert.Equal(count - 1, await CountAsync());
            var file = _client.Folder.Write($"report{count}.txt", $"report {count}");
            (await _client.OrasAsync(
                "attach", "--plain-http", "--disable-path-validation", "--artifact-type", "application/vnd.example.report", AtUpstream,
                $"{file}:text/plain")).Succeeded();
            await WithinFiveSecondsAsync(async () => await CountAsync() == count);
        }

        async Task<int> CountAsync()
        {
            var found = await _client.OrasAsync("discover", "--plain-http", "--format", "json", Through);
            return JsonNode.Parse(found.Succeeded().Stdout)!["referrers"]?.AsArray().Count ?? 0;
        }
    }

    private string AtUpstream => $"{_upstream.Host}/{_image}";

    private string Through => $"{_gateway.Host}/corp/{_image}";

    private async Task StartAsync(bool hasApi)
    {
        _upstream = hasApi ? await GatewayProcess.StartAsync() : await DockerRegistry.StartAsync();
        _gateway = await GatewayProcess.StartAsync($$"""upstreams: { corp: { url: "http://{{_upstream.Host}}" } }""");
        var (layout, image) = OciLayout.SmallImage(_client.Folder["image"]);
        _image = $"team/app@{image.Digest}";
        (await _client.CraneAsync("push", "--insecure", layout.Root, $"{_upstream.Host}/team/app:1")).Succeeded();
        (await _client.CraneAsync("pull", "--insecure", $"{_gateway.Host}/corp/team/app:1", _client.Folder["pulled.tar"])).Succeeded();
    }

    /// <summary>
    /// Asserts that no attempt that begins after 5 s fails. How long the client itself takes does not count: on a busy machine, it takes
    /// seconds.
    /// </summary>
    private static async Task WithinFiveSecondsAsync(Func<Task<bool>> isFound)
    {
        var (clock, limit) = (Stopwatch.StartNew(), Patience.Of(5));
        while (true)
        {
            var began = clock.Elapsed;
            if (await isFound()) return;
            Assert.True(began < limit, $"expected the evidence within {limit.TotalSeconds:0.0} s, got none after {began}");
        }
    }
}
