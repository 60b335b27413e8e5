using System.Text;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// A push is held until notation has signed it, with the policy that the gateway derives from notation's own. The gateway admits what
/// notation verifies. docs/clients/notation.md describes the setup.
/// </summary>
public sealed class NotationTests : IAsyncDisposable
{
    private const string Password = "a test's password";
    private const string Config = "home/.config/notation";

    private readonly Client _pusher = new();
    private readonly Client _puller = new();
    private GatewayProcess? _gateway;

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null && TestContext.Current.TestState?.Result == TestResult.Failed)
            TestContext.Current.TestOutputHelper?.WriteLine(_gateway.Log);
        if (_gateway is not null) await _gateway.DisposeAsync();
        _pusher.Dispose();
        _puller.Dispose();
    }

    private string At(string reference) => $"{_gateway!.Host}/{reference}";

    private Task<Output> NotationAsync(params string[] arguments) => _pusher.RunAsync("notation", arguments);

    private async Task StartAsync(string level = "strict", string identity = "x509.subject: C=US, ST=WA, O=Notary")
    {
        _pusher.Environment["XDG_CONFIG_HOME"] = _pusher.Folder["home/.config"];
        foreach (var name in new[] { "good.example", "wrong.example" }) (await NotationAsync("cert", "generate-test", name)).Succeeded();
        _pusher.Folder.Write($"{Config}/trustpolicy.json", $$"""
            { "version": "1.0", "trustPolicies": [ {
                "name": "held", "registryScopes": ["*"], "signatureVerification": { "level": "{{level}}" },
                "trustStores": ["ca:good.example"], "trustedIdentities": ["{{identity}}"] } ] }
            """);
        var imported = (await _pusher.RunAsync(
            "dotnet", GatewayProcess.Assembly, "policy", "import", "--notation", _pusher.Folder[$"{Config}/trustpolicy.json"])).Succeeded();
        var account = (await _pusher.RunAsync("htpasswd", "-nbB", "ci", Password)).Succeeded().Stdout.Trim();
        _pusher.Folder.Write("htpasswd", account + "\n");
        _gateway = await GatewayProcess.StartAsync($$"""
            access:
              htpasswd: "{{_pusher.Folder["htpasswd"]}}"
              rules:
                - { actors: [anonymous], repositories: ["**"], actions: [pull] }
                - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
            {{imported.Stdout}}
            """);
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Password}"));
        _pusher.Folder.Write("home/.docker/config.json", $$$"""{ "auths": { "{{{_gateway!.Host}}}": { "auth": "{{{login}}}" } } }""");
    }

    private async Task<string> PushAsync(string reference, string text)
    {
        var layout = new OciLayout(_pusher.Folder[$"image-{text}"]);
        var image = layout.AddImage("amd64", ("hello", Encoding.UTF8.GetBytes(text)));
        layout.Tag("1", image);
        (await _pusher.CraneAsync("push", "--insecure", layout.Root, At(reference))).Succeeded();
        return image.Digest;
    }

    private async Task<Output> SignAsync(string key, string reference, params string[] more) =>
        (await NotationAsync(["sign", "--insecure-registry", "--key", key, .. more, At(reference)])).Succeeded();

    private Task<Output> VerifyAsync(string reference) => NotationAsync("verify", "--insecure-registry", At(reference));

    private async Task<string> RefusalAsync(string reference) =>
        (await _puller.CraneAsync("manifest", "--insecure", At(reference))).Failed().Text;

    [Theory]
    [InlineData("--force-referrers-tag=false", "jws")]
    [InlineData("--force-referrers-tag=true", "jws")]
    [InlineData("--force-referrers-tag=false", "cose")]
    [InlineData("--force-referrers-tag=true", "cose")]
    public async Task Push_is_held_after_an_untrusted_signature_and_released_by_a_trusted_one(string where, string format)
    {
        await StartAsync();
        var digest = await PushAsync("held/app:v1", "one");
        Assert.Contains("DENIED", await RefusalAsync("held/app:v1"), StringComparison.Ordinal);

        await SignAsync("wrong.example", $"held/app@{digest}", where, "--signature-format", format);
        Assert.Contains("no certificate under ca", await RefusalAsync("held/app:v1"), StringComparison.Ordinal);
        (await VerifyAsync($"held/app@{digest}")).Failed();

        await SignAsync("good.example", $"held/app@{digest}", where, "--signature-format", format);
        Assert.Equal(digest, (await _puller.CraneAsync("digest", "--insecure", At("held/app:v1"))).Succeeded().Stdout.Trim());
        (await VerifyAsync($"held/app@{digest}")).Succeeded();
    }

    [Fact]
    public async Task Signature_by_the_right_authority_for_another_identity_releases_nothing()
    {
        await StartAsync(identity: "x509.subject: C=US, ST=WA, O=Notary, CN=other.example");
        var digest = await PushAsync("held/app:v1", "one");

        await SignAsync("good.example", $"held/app@{digest}");

        Assert.Contains("expected a signature by 'C=US, CN=other.example", await RefusalAsync("held/app:v1"), StringComparison.Ordinal);
        (await VerifyAsync($"held/app@{digest}")).Failed();
    }

    [Fact]
    public async Task Signature_copied_to_another_image_releases_nothing()
    {
        await StartAsync();
        var signed = await PushAsync("held/app:v1", "one");
        await SignAsync("good.example", $"held/app@{signed}", "--force-referrers-tag=false");
        var other = await PushAsync("held/app:v2", "two");

        // The same envelope, in a manifest that names the other image as its subject.
        var discovered = await _pusher.OrasAsync("discover", "--plain-http", "--format", "json", At($"held/app@{signed}"));
        var list = JsonNode.Parse(discovered.Succeeded().Stdout)!;
        var referrer = (string)(list["referrers"] ?? list["manifests"])![0]!["digest"]!;
        var manifest = JsonNode.Parse((await _pusher.CraneAsync("manifest", "--insecure", At($"held/app@{referrer}"))).Succeeded().Stdout)!;
        (manifest["subject"]!["digest"], manifest["subject"]!["size"]) = (other, new FileInfo(Blob("two", other)).Length);
        _pusher.Folder.Write("forged.json", manifest.ToJsonString());
        (await _pusher.OrasAsync("manifest", "push", "--plain-http", At("held/app"), _pusher.Folder["forged.json"])).Succeeded();

        Assert.Contains("expected a signature of", await RefusalAsync("held/app:v2"), StringComparison.Ordinal);
        (await VerifyAsync($"held/app@{other}")).Failed();
        Assert.Equal(signed, (await _puller.CraneAsync("digest", "--insecure", At("held/app:v1"))).Succeeded().Stdout.Trim());
    }

    private string Blob(string text, string digest) => _pusher.Folder[$"image-{text}/blobs/sha256/{digest["sha256:".Length..]}"];

    [Theory]
    [InlineData("strict")]
    [InlineData("permissive")]
    public async Task Expired_signature_counts_at_a_level_that_only_logs_expiry(string level)
    {
        await StartAsync(level);
        var digest = await PushAsync("held/app:v1", "one");
        await SignAsync("good.example", $"held/app@{digest}", "--expiry", "1s");

        // One second later. At the level that only logs, notation reports the reason.
        Output? verified = null;
        await Eventually.TrueAsync(
            async () => (verified = await VerifyAsync($"held/app@{digest}")).ExitCode != 0
                || verified.Text.Contains("expired", StringComparison.Ordinal),
            () => verified!.Text);
        Assert.Equal(level == "permissive", verified!.ExitCode == 0);
        Assert.Equal(level == "permissive", (await _puller.CraneAsync("digest", "--insecure", At("held/app:v1"))).ExitCode == 0);
    }
}
