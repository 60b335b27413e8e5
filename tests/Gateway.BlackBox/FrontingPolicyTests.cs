using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The gateway sends nothing to the registry behind it that the policy has not admitted.</summary>
public sealed class FrontingPolicyTests : IAsyncLifetime
{
    private const string Password = "a test's password";

    private readonly Client _pusher = new();
    private readonly Client _puller = new();
    private DockerRegistry _registry = null!;
    private GatewayProcess _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        foreach (var name in (string[])["good", "wrong"])
            (await _pusher.RunAsync("cosign2", "generate-key-pair", "--output-key-prefix", name)).Succeeded();
        var account = (await _pusher.RunAsync("htpasswd", "-nbB", "ci", Password)).Succeeded().Stdout.Trim();
        _registry = await DockerRegistry.StartAsync();
        _gateway = await GatewayProcess.StartAsync($$"""
            upstreams: { corp: { url: "{{_registry.Url}}" } }
            routes: [{ prefix: "", upstream: corp, push: forward }]
            access:
              htpasswd: "{{_pusher.Folder.Write("htpasswd", account + "\n")}}"
              rules:
                - { actors: [anonymous], repositories: ["**"], actions: [pull] }
                - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
            policy:
              default: allow
              artifactTypes:
                ALLOWED_OCI_ARTIFACT_TYPES:
                  application/vnd.oci.image.config.v1+json: [application/vnd.dev.cosign.simplesigning.v1+json]
                  application/vnd.dev.sigstore.bundle.v0.3+json: [application/vnd.dev.sigstore.bundle.v0.3+json]
              trust:
                keys: { release: { pem: "{{_pusher.Folder["good.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules:
                - id: prod-signed
                  match: { repos: ["prod/**"] }
                  require: { signatures: [{ authority: release }] }
                  onMissing: quarantine
            """);
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Password}"));
        _pusher.Folder.Write("home/.docker/config.json", $$$"""{ "auths": { "{{{_gateway.Host}}}": { "auth": "{{{login}}}" } } }""");
    }

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
        _pusher.Dispose();
        _puller.Dispose();
    }

    [Fact]
    public async Task Refused_push_is_never_sent_to_the_registry()
    {
        _pusher.Folder.Write("config.json", "{}");
        _pusher.Folder.Write("hello.wasm", "\0asm"u8.ToArray());

        var refused = (await _pusher.OrasAsync(
            "push", "--plain-http", At("tools/hello:1"), "--config", "config.json:application/vnd.wasm.config.v0+json",
            "hello.wasm:application/wasm")).Failed();

        Assert.Contains("config type application/vnd.wasm.config.v0+json is not allowed", refused.Text, StringComparison.Ordinal);
        await AssertNothingWrittenAsync();
        (await PushAsync("team/app:1", 1)).Succeeded();
        await AssertSeenAsync($"{_registry.Host}/team/app:1", _image);
    }

    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Held_push_is_forwarded_to_the_registry_with_its_signature(string cosign)
    {
        (await PushAsync("prod/app:v1", 1)).Succeeded();
        await AssertNothingWrittenAsync();
        (await SignAsync(cosign, "wrong", "prod/app:v1")).Succeeded();
        (await _puller.CraneAsync("manifest", "--insecure", At("prod/app:v1"))).Failed();
        await AssertNothingWrittenAsync();

        (await SignAsync(cosign, "good", "prod/app:v1")).Succeeded();

        foreach (var host in (string[])[_gateway.Host, _registry.Host])
        {
            await AssertSeenAsync($"{host}/prod/app:v1", _image);
            (await _puller.CraneAsync("pull", "--insecure", $"{host}/prod/app:v1", _puller.Folder["pulled.tar"])).Succeeded();
            (await _puller.RunAsync(
                cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _pusher.Folder["good.pub"],
                $"{host}/prod/app:v1")).Succeeded();
        }
        await AssertWrittenInOrderAsync();
    }

    [Fact]
    public async Task Held_push_is_forwarded_after_a_restart_and_the_live_tag_stays_until_then()
    {
        (await PushAsync("prod/app:v1", 1)).Succeeded();
        (await SignAsync("cosign3", "good", "prod/app:v1")).Succeeded();
        var first = _image;
        (await PushAsync("prod/app:v1", 2)).Succeeded();

        await _gateway.Server.KillAsync();
        await _gateway.StartAgainAsync();
        await AssertSeenAsync($"{_registry.Host}/prod/app:v1", first);
        await AssertSeenAsync(At("prod/app:v1"), first);

        (await SignAsync("cosign3", "good", $"prod/app@{_image}")).Succeeded();
        await AssertSeenAsync($"{_registry.Host}/prod/app:v1", _image);
        await AssertSeenAsync(At("prod/app:v1"), _image);
    }

    [Fact]
    public async Task Caller_without_push_does_not_reach_the_registry()
    {
        var (layout, _) = OciLayout.SmallImage(_puller.Folder["image"]);

        (await _puller.CraneAsync("push", "--insecure", layout.Root, At("team/app:1"))).Failed();

        await AssertNothingWrittenAsync();
    }

    private string _image = "";

    private string At(string reference) => $"{_gateway.Host}/{reference}";

    private Task<Output> PushAsync(string reference, int seed)
    {
        var (layout, image) = OciLayout.SmallImage(_pusher.Folder[$"image-{seed}"], seed: seed);
        _image = image.Digest;
        return _pusher.CraneAsync("push", "--insecure", layout.Root, At(reference));
    }

    private async Task<Output> SignAsync(string cosign, string key, string reference)
    {
        var services = _pusher.Folder["services.json"];
        (await _pusher.RunAsync("cosign3", "signing-config", "create", "--out", services)).Succeeded();
        var offline = cosign == "cosign2" ? "--tlog-upload=false" : $"--signing-config={services}";
        return await _pusher.RunAsync(
            cosign, "sign", "-y", "--allow-http-registry", "--key", _pusher.Folder[$"{key}.key"], offline, At(reference));
    }

    private async Task AssertSeenAsync(string reference, string digest) =>
        Assert.Equal(digest, (await _puller.CraneAsync("digest", "--insecure", reference)).Succeeded().Stdout.Trim());

    private async Task AssertNothingWrittenAsync()
    {
        Assert.Empty(await WritesAsync());
        Assert.Equal("", (await _puller.CraneAsync("catalog", "--insecure", _registry.Host)).Succeeded().Stdout.Trim());
    }

    /// <summary>
    /// Asserts that the registry receives the tag of the image last, so that the tag is never bound to an incomplete image.
    /// </summary>
    private async Task AssertWrittenInOrderAsync()
    {
        var writes = await WritesAsync();
        var tagged = Array.FindIndex(writes, w => w == "PUT /v2/prod/app/manifests/v1");
        Assert.True(tagged > 0, string.Join('\n', writes));
        Assert.DoesNotContain(writes[tagged..], w => w.Contains("/blobs/", StringComparison.Ordinal));
        Assert.Single(writes, w => w == "PUT /v2/prod/app/manifests/v1");
    }

    private async Task<string[]> WritesAsync() =>
    [
        .. (await _registry.SettledAsync()).Select(asked => asked.Request)
            .Where(r => !r.StartsWith("GET ", StringComparison.Ordinal) && !r.StartsWith("HEAD ", StringComparison.Ordinal)),
    ];
}
