using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Signatures that cosign pushes to another repository, by COSIGN_REPOSITORY.</summary>
public sealed class SignatureRepositoryTests : IAsyncDisposable
{
    private const string Password = "a test's password";

    private readonly Client _ci = new();
    private readonly Client _reader = new();
    private readonly HttpClient _http = new();
    private GatewayProcess? _gateway;

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null && TestContext.Current.TestState?.Result == TestResult.Failed)
            TestContext.Current.TestOutputHelper?.WriteLine(_gateway.Log);
        if (_gateway is not null) await _gateway.DisposeAsync();
        _http.Dispose();
        _ci.Dispose();
        _reader.Dispose();
    }

    private string At(string reference) => $"{_gateway!.Host}/{reference}";

    private async Task StartAsync()
    {
        foreach (var name in new[] { "good", "wrong" })
            (await _ci.RunAsync("cosign2", "generate-key-pair", "--output-key-prefix", name)).Succeeded();
        (await _ci.RunAsync("cosign3", "signing-config", "create", "--out", _ci.Folder["services.json"])).Succeeded();
        var accounts = new StringBuilder();
        foreach (var account in new[] { "ci", "root" })
            accounts.Append((await _ci.RunAsync("htpasswd", "-nbB", account, Password)).Succeeded().Stdout.Trim()).Append('\n');
        _ci.Folder.Write("htpasswd", accounts.ToString());
        _gateway = await GatewayProcess.StartAsync($$"""
            access:
              htpasswd: "{{_ci.Folder["htpasswd"]}}"
              rules:
                - { actors: [anonymous], repositories: ["held/**"], actions: [pull] }
                - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
                - { actors: [root], repositories: ["**"], actions: [pull, delete, admin] }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{_ci.Folder["good.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }], signatureRepositories: [sigs/all] } }
              rules:
                - id: held
                  match: { repos: ["held/**"] }
                  require: { signatures: [{ authority: release }] }
                  onMissing: quarantine
            """);
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Password}"));
        _ci.Folder.Write("home/.docker/config.json", $$$"""{ "auths": { "{{{_gateway.Host}}}": { "auth": "{{{login}}}" } } }""");
        _ci.Environment["COSIGN_REPOSITORY"] = At("sigs/all");
    }

    private async Task<string> PushAsync(string reference, string text)
    {
        var layout = new OciLayout(_ci.Folder[$"image-{text}"]);
        var image = layout.AddImage("amd64", ("hello", Encoding.UTF8.GetBytes(text)));
        layout.Tag("1", image);
        (await _ci.CraneAsync("push", "--insecure", layout.Root, At(reference))).Succeeded();
        return image.Digest;
    }

    private async Task SignAsync(string cosign, string key, string reference) => (await _ci.RunAsync(
        cosign,
        [
            "sign", "-y", "--allow-http-registry", "--key", _ci.Folder[$"{key}.key"],
            cosign == "cosign2" ? "--tlog-upload=false" : $"--signing-config={_ci.Folder["services.json"]}", At(reference),
        ])).Succeeded();

    private async Task<HttpResponseMessage> AskAsync(string actor, HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, $"http://{_gateway!.Host}/v2/sigs/all/{path}");
        request.Headers.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{actor}:{Password}")));
        request.Headers.Accept.ParseAdd("*/*");
        return await _http.SendAsync(request);
    }

    /// <summary>The digests of the manifests in the signature repository that are about an image.</summary>
    private async Task<string[]> EvidenceAsync(string cosign, string image)
    {
        if (cosign == "cosign2")
        {
            using var tag = await AskAsync("root", HttpMethod.Head, $"manifests/{image.Replace(':', '-')}.sig");
            return [tag.Headers.GetValues("Docker-Content-Digest").Single()];
        }
        using var referrers = await AskAsync("root", HttpMethod.Get, $"referrers/{image}");
        var list = JsonNode.Parse(await referrers.Content.ReadAsStringAsync())!["manifests"]!.AsArray();
        return [.. list.Select(one => one!["digest"]!.GetValue<string>())];
    }

    private async Task AssertHiddenAsync(string reference) => Assert.Contains(
        "DENIED", (await _reader.CraneAsync("manifest", "--insecure", At(reference))).Failed().Text, StringComparison.Ordinal);

    private async Task AssertPulledAsync(string reference, string digest)
    {
        Assert.Equal(digest, (await _reader.CraneAsync("digest", "--insecure", At(reference))).Succeeded().Stdout.Trim());
        (await _reader.CraneAsync("pull", "--insecure", At(reference), _reader.Folder["pulled.tar"])).Succeeded();
    }

    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Image_of_an_upstream_is_admitted_by_its_signature_in_another_repository_there(string cosign)
    {
        await using var upstream = await DockerRegistry.StartAsync();
        var (layout, image) = OciLayout.SmallImage(_ci.Folder["image"]);
        (await _ci.CraneAsync("push", "--insecure", layout.Root, $"{upstream.Host}/team/app:1")).Succeeded();
        (await _ci.RunAsync("cosign2", "generate-key-pair", "--output-key-prefix", "good")).Succeeded();
        (await _ci.RunAsync("cosign3", "signing-config", "create", "--out", _ci.Folder["services.json"])).Succeeded();
        _ci.Environment["COSIGN_REPOSITORY"] = $"{upstream.Host}/sigs";
        (await _ci.RunAsync(
            cosign,
            [
                "sign", "-y", "--allow-http-registry", "--key", _ci.Folder["good.key"],
                cosign == "cosign2" ? "--tlog-upload=false" : $"--signing-config={_ci.Folder["services.json"]}",
                $"{upstream.Host}/team/app@{image.Digest}",
            ])).Succeeded();
        foreach (var named in new[] { "", ", signatureRepositories: [corp/sigs]" })
        {
            await using var gateway = await GatewayProcess.StartAsync($$"""
                upstreams: { corp: { url: "http://{{upstream.Host}}" } }
                policy:
                  default: allow
                  trust:
                    keys: { release: { pem: "{{_ci.Folder["good.pub"]}}" } }
                    authorities: { release: { anyOf: [{ key: release }]{{named}} } }
                  rules: [{ id: signed, require: { signatures: [{ authority: release }] } }]
                """);
            var pulled = await _reader.CraneAsync("pull", "--insecure", $"{gateway.Host}/corp/team/app:1", _reader.Folder["pulled.tar"]);
            if (named.Length > 0) pulled.Succeeded();
            else Assert.Contains("no signature by release", pulled.Failed().Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Held_image_is_released_by_a_trusted_signature_there_and_refused_again_after_its_deletion(string cosign)
    {
        await StartAsync();
        var image = await PushAsync("held/app:v1", "one");
        await AssertHiddenAsync("held/app:v1");
        await SignAsync(cosign, "wrong", $"held/app@{image}");
        await AssertHiddenAsync("held/app:v1");
        await AssertHiddenAsync($"held/app@{image}");

        await SignAsync(cosign, "good", $"held/app@{image}");

        await AssertPulledAsync("held/app:v1", image);
        await AssertPulledAsync($"held/app@{image}", image);
        // The puller has no rights in the signature repository.
        (await _reader.CraneAsync("ls", "--insecure", At("sigs/all"))).Failed();
        (await _ci.RunAsync(
            cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _ci.Folder["good.pub"],
            At($"held/app@{image}"))).Succeeded();
        await _gateway!.Server.KillAsync();
        await _gateway.StartAgainAsync();
        await AssertPulledAsync("held/app:v1", image);

        var all = await EvidenceAsync(cosign, image);
        foreach (var evidence in all)
        {
            using var refused = await AskAsync("ci", HttpMethod.Delete, $"manifests/{evidence}");
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        }
        await AssertPulledAsync("held/app:v1", image);
        foreach (var evidence in all)
        {
            using var deleted = await AskAsync("root", HttpMethod.Delete, $"manifests/{evidence}");
            Assert.Equal(HttpStatusCode.Accepted, deleted.StatusCode);
        }
        await AssertHiddenAsync("held/app:v1");
        await AssertHiddenAsync($"held/app@{image}");

        await SignAsync(cosign, "good", $"held/app@{image}");
        await AssertPulledAsync("held/app:v1", image);
    }
}
