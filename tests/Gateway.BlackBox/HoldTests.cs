using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// A push is held until it is signed, with the clients and the signers that people have: who may pull sees nothing of it, who may push sees
/// what he pushed, and the signature publishes it.
/// </summary>
public sealed partial class HoldTests : IAsyncDisposable
{
    private const string Password = "a test's password";

    private readonly Client _pusher = new();
    private readonly Client _puller = new();
    private readonly DeadEnd _internet = new();
    private GatewayProcess? _gateway;
    private Dockerd? _docker;

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null && TestContext.Current.TestState?.Result == TestResult.Failed)
            TestContext.Current.TestOutputHelper?.WriteLine(_gateway.Log);
        if (_docker is not null) await _docker.DisposeAsync();
        if (_gateway is not null) await _gateway.DisposeAsync();
        _internet.Dispose();
        _pusher.Dispose();
        _puller.Dispose();
    }

    private string At(string reference) => $"{_gateway!.Host}/{reference}";

    private async Task StartAsync(string onMissing = "quarantine", string? storage = null)
    {
        foreach (var name in new[] { "good", "wrong" })
            (await _pusher.RunAsync("cosign2", "generate-key-pair", "--output-key-prefix", name)).Succeeded();
        var account = (await _pusher.RunAsync("htpasswd", "-nbB", "ci", Password)).Succeeded().Stdout.Trim();
        _pusher.Folder.Write("htpasswd", account + "\n");
        _gateway = await GatewayProcess.StartAsync($$"""
            access:
              htpasswd: "{{_pusher.Folder["htpasswd"]}}"
              rules:
                - { actors: [anonymous], repositories: ["**"], actions: [pull] }
                - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{_pusher.Folder["good.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules:
                - id: held
                  match: { repos: ["held/**"] }
                  require: { signatures: [{ authority: release }] }
                  onMissing: {{onMissing}}
            """, storage);
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Password}"));
        _pusher.Folder.Write("home/.docker/config.json", $$$"""{ "auths": { "{{{_gateway.Host}}}": { "auth": "{{{login}}}" } } }""");
    }

    private async Task<string> PushAsync(string client, string reference, string text)
    {
        var layout = new OciLayout(_pusher.Folder[$"image-{text}"]);
        var image = layout.AddImage("amd64", ("hello", Encoding.UTF8.GetBytes(text)));
        layout.Tag("1", image);
        var pushed = client switch
        {
            "skopeo" => await _pusher.SkopeoAsync(
                "copy", "--dest-tls-verify=false", "--dest-creds", $"ci:{Password}", $"oci:{layout.Root}", $"docker://{At(reference)}"),
            "podman" => await PodmanPushAsync(layout.Root, reference),
            "docker" or "docker with containerd's store" => await DockerPushAsync(client, layout.Root, reference),
            "oras" => await _pusher.OrasAsync("cp", "--from-oci-layout", "--to-plain-http", $"{layout.Root}@{image.Digest}", At(reference)),
            _ => await _pusher.CraneAsync("push", "--insecure", layout.Root, At(reference)),
        };
        pushed.Succeeded();
        // podman and docker write manifests of their own.
        return client == "podman" ? (await File.ReadAllTextAsync(_pusher.Folder["pushed"])).Trim()
            : client.StartsWith("docker", StringComparison.Ordinal) ? PushedDigest().Match(pushed.Text).Groups[1].Value
            : image.Digest;
    }

    [GeneratedRegex("digest: (sha256:[0-9a-f]{64})")]
    private static partial Regex PushedDigest();

    private async Task<Output> DockerPushAsync(string client, string layout, string reference)
    {
        _docker ??= await Dockerd.StartAsync(_pusher, "{}", client != "docker", _internet.Url);
        var archive = $"{layout}.tar";
        (await _pusher.SkopeoAsync("copy", $"oci:{layout}", $"docker-archive:{archive}:{At(reference)}")).Succeeded();
        (await _docker.RunAsync("load", "--input", archive)).Succeeded();
        return await _docker.RunAsync("push", At(reference));
    }

    private async Task<Output> PodmanPushAsync(string layout, string reference)
    {
        var podman = new Podman(_pusher);
        var image = (await podman.RunAsync("pull", "--quiet", $"oci:{layout}")).Succeeded().Stdout.Trim();
        return await podman.RunAsync(
            "push", "--tls-verify=false", "--creds", $"ci:{Password}", "--digestfile", _pusher.Folder["pushed"], image, $"docker://{At(reference)}");
    }

    private async Task<Output> SignAsync(string cosign, string key, string reference)
    {
        string[] offline = cosign == "cosign2" ? ["--tlog-upload=false"] : [$"--signing-config={await ServicesAsync()}"];
        return await _pusher.RunAsync(
            cosign, ["sign", "-y", "--allow-http-registry", "--key", _pusher.Folder[$"{key}.key"], .. offline, At(reference)]);
    }

    // Names no transparency log and no timestamp authority: nothing outside is asked.
    private async Task<string> ServicesAsync()
    {
        (await _pusher.RunAsync("cosign3", "signing-config", "create", "--out", _pusher.Folder["services.json"])).Succeeded();
        return _pusher.Folder["services.json"];
    }

    private async Task AssertHiddenAsync(string reference)
    {
        var refused = (await _puller.CraneAsync("manifest", "--insecure", At(reference))).Failed();
        Assert.Contains("DENIED", refused.Text, StringComparison.Ordinal);
    }

    private async Task AssertSeenAsync(Client by, string reference, string digest) =>
        Assert.Equal(digest, (await by.CraneAsync("digest", "--insecure", At(reference))).Succeeded().Stdout.Trim());

    [Theory]
    [InlineData("crane", "cosign2")]
    [InlineData("crane", "cosign3")]
    [InlineData("skopeo", "cosign2")]
    [InlineData("skopeo", "cosign3")]
    [InlineData("oras", "cosign2")]
    [InlineData("oras", "cosign3")]
    [InlineData("podman", "cosign3")]
    [InlineData("docker", "cosign2")]
    [InlineData("docker with containerd's store", "cosign3")]
    public async Task Push_is_held_through_a_wrong_signature_and_published_by_a_right_one(string client, string cosign)
    {
        await StartAsync();
        var digest = await PushAsync(client, "held/app:v1", "one");
        await AssertHiddenAsync("held/app:v1");
        await AssertHiddenAsync($"held/app@{digest}");
        Assert.DoesNotContain("v1", (await _puller.CraneAsync("ls", "--insecure", At("held/app"))).Text, StringComparison.Ordinal);
        await AssertSeenAsync(_pusher, "held/app:v1", digest);

        (await SignAsync(cosign, "wrong", "held/app:v1")).Succeeded();
        await AssertHiddenAsync("held/app:v1");

        (await SignAsync(cosign, "good", "held/app:v1")).Succeeded();
        await AssertSeenAsync(_puller, "held/app:v1", digest);
        (await _puller.CraneAsync("pull", "--insecure", At("held/app:v1"), _puller.Folder["pulled.tar"])).Succeeded();
        (await _puller.RunAsync(
            cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _pusher.Folder["good.pub"], At($"held/app@{digest}")))
            .Succeeded();

        var next = await PushAsync(client, "held/app:v1", "two");
        await AssertSeenAsync(_puller, "held/app:v1", digest);
        await AssertSeenAsync(_pusher, "held/app:v1", next);
        (await SignAsync(cosign, "good", $"held/app@{next}")).Succeeded();
        await AssertSeenAsync(_puller, "held/app:v1", next);
    }

    [Fact]
    public async Task Chart_that_helm_pushes_is_held_until_it_is_signed()
    {
        await StartAsync();
        _pusher.Folder.Write("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n");
        (await _pusher.HelmAsync("package", _pusher.Folder["web"])).Succeeded();
        (await _pusher.HelmAsync("registry", "login", "--plain-http", "--username", "ci", "--password", Password, _gateway!.Host)).Succeeded();
        (await _pusher.HelmAsync("push", "--plain-http", _pusher.Folder["web-1.2.3.tgz"], $"oci://{At("held")}")).Succeeded();
        Assert.Contains("DENIED", (await PullAsync()).Failed().Text, StringComparison.OrdinalIgnoreCase);

        (await SignAsync("cosign3", "good", "held/web:1.2.3")).Succeeded();
        (await PullAsync()).Succeeded();
        Assert.Equal(
            await File.ReadAllBytesAsync(_pusher.Folder["web-1.2.3.tgz"]), await File.ReadAllBytesAsync(_puller.Folder["home/web-1.2.3.tgz"]));

        Task<Output> PullAsync() => _puller.HelmAsync(
            "pull", "--plain-http", $"oci://{At("held/web")}", "--version", "1.2.3", "--destination", _puller.Folder["home"]);
    }

    [Fact]
    public async Task Signature_that_comes_before_its_image_lets_the_push_through_where_nothing_unsigned_may_be()
    {
        await StartAsync(onMissing: "deny");
        var layout = new OciLayout(_pusher.Folder["image"]);
        var image = layout.AddImage("amd64", ("hello", "one"u8.ToArray()));
        layout.Tag("1", image);
        (await _pusher.CraneAsync("push", "--insecure", layout.Root, At("held/app:v1"))).Failed();

        (await SignAsync("cosign2", "good", $"held/app@{image.Digest}")).Succeeded();
        (await _pusher.CraneAsync("push", "--insecure", layout.Root, At("held/app:v1"))).Succeeded();
        await AssertSeenAsync(_puller, "held/app:v1", image.Digest);
    }

    [Fact]
    public async Task What_waits_survives_a_kill_and_another_registry_on_the_volume_sees_only_what_is_live()
    {
        var volume = _pusher.Folder["volume"];
        await StartAsync(storage: volume);
        var live = await PushAsync("crane", "held/app:v1", "one");
        (await SignAsync("cosign2", "good", "held/app:v1")).Succeeded();
        var next = await PushAsync("crane", "held/app:v1", "two");
        await PushAsync("crane", "held/app:v2", "two");

        await _gateway!.Server.KillAsync();
        await _gateway.StartAgainAsync();
        await AssertSeenAsync(_puller, "held/app:v1", live);
        await AssertSeenAsync(_pusher, "held/app:v1", next);
        await _gateway.Server.StopAsync();

        await using (var theirs = await DockerRegistry.StartAsync(volume))
        {
            var tags = (await _puller.CraneAsync("ls", "--insecure", $"{theirs.Host}/held/app")).Succeeded().Stdout.Split('\n');
            Assert.Equal(["v1"], tags.Where(tag => tag.StartsWith('v')));
            Assert.Equal(live, (await _puller.CraneAsync("digest", "--insecure", $"{theirs.Host}/held/app:v1")).Succeeded().Stdout.Trim());
        }

        await _gateway.StartAgainAsync();
        (await SignAsync("cosign3", "good", "held/app:v2")).Succeeded();
        await AssertSeenAsync(_puller, "held/app:v1", next);
        await AssertSeenAsync(_puller, "held/app:v2", next);
    }

    [Fact]
    public async Task Promotion_by_the_command_line_takes_the_signature_along()
    {
        await StartAsync(onMissing: "deny");
        var digest = await PushAsync("crane", "stage/app:v1", "one");
        var (code, text) = await PromoteAsync(digest);
        Assert.NotEqual(0, code);
        Assert.Contains("signature", text, StringComparison.Ordinal);
        (await SignAsync("cosign3", "good", $"stage/app@{digest}")).Succeeded();
        Assert.Equal((0, $"held/app:v1 is now {digest}\n"), await PromoteAsync(digest));

        await AssertSeenAsync(_puller, "held/app:v1", digest);
        (await _puller.RunAsync(
            "cosign3", "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", _pusher.Folder["good.pub"], At("held/app:v1")))
            .Succeeded();
    }

    private async Task<(int Code, string Text)> PromoteAsync(string digest)
    {
        var start = new ProcessStartInfo(
            "dotnet", [GatewayProcess.Assembly, "promote", "--server", $"http://{_gateway!.Host}", "--user", "ci", $"stage/app@{digest}", "held/app:v1"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["GATEWAY_PASSWORD"] = Password;
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }
}
