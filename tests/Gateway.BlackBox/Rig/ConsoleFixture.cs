using System.Security.Cryptography;
using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// A gateway with the kinds of content that people push, made by their own clients: a signed image, a held push, a chart, an encrypted
/// image, a zstd image, a SIF, an image for two platforms, an SBOM, and an image pulled through an upstream.
/// </summary>
public class ConsoleFixture : IAsyncLifetime
{
    /// <summary>The password of every account.</summary>
    internal const string Password = "a test's password";

    private IRegistry? _registry;
    private DockerRegistry? _hub;

    internal Client Client { get; } = new();

    /// <summary>Where clients push.</summary>
    private protected IRegistry Registry => _registry ?? throw new InvalidOperationException("The gateway was not started.");

    /// <summary>The gateway whose pages are read.</summary>
    internal virtual GatewayProcess Gateway => (GatewayProcess)Registry;

    internal string At(string reference) => $"{Registry.Host}/{reference}";

    /// <summary>The address of a page on the operator port.</summary>
    internal string Page(string path) => new Uri(Gateway.Operator, path).ToString();

    public async ValueTask InitializeAsync()
    {
        _hub = await DockerRegistry.StartAsync();
        foreach (var name in (string[])["release", "stranger"])
            (await Client.RunAsync("cosign3", "generate-key-pair", "--output-key-prefix", name)).Succeeded();
        var accounts = new StringBuilder();
        foreach (var account in (string[])["ci", "viewer", "chief"])
            accounts.AppendLine((await Client.RunAsync("htpasswd", "-nbB", account, Password)).Succeeded().Stdout.Trim());
        Client.Folder.Write("htpasswd", accounts.ToString());
        _registry = await OpenAsync(Configuration());
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Password}"));
        var auths = string.Join(", ", new[] { _registry.Host, Gateway.Host }.Distinct().Select(host => $$"""
            "{{host}}": { "auth": "{{login}}" }
            """));
        Client.Folder.Write("home/.docker/config.json", $$"""{ "auths": { {{auths}} } }""");
        await FillAsync();
    }

    private protected virtual async Task<IRegistry> OpenAsync(string yaml) => await GatewayProcess.StartAsync(yaml);

    private string Configuration() => $$"""
        console: { listen: true }
        audit: { path: "{{Client.Folder["audit.jsonl"]}}" }
        upstreams: { hub.test: { url: "{{_hub!.Url}}" } }
        access:
          tokenKeyFile: "{{Client.Folder.Write("token-key", "a-secret-of-all-gateways")}}"
          htpasswd: "{{Client.Folder["htpasswd"]}}"
          rules:
            - { actors: [ci], repositories: ["**"], actions: [pull, push, delete] }
            - { actors: [viewer], repositories: ["charts/**", "team/**"], actions: [pull] }
            - { actors: [chief], repositories: ["**"], actions: [pull, push, delete, admin] }
        policy:
          default: allow
          trust:
            keys: { release: { pem: "{{Client.Folder["release.pub"]}}" } }
            authorities: { release: { anyOf: [{ key: release }] } }
          rules:
            - id: signed-by-release
              match: { repos: ["team/**"] }
              require: { signatures: [{ authority: release }] }
              onMissing: quarantine
            - id: audited
              match: { repos: ["multi/**"] }
              require: { signatures: [{ authority: release }] }
              mode: audit
        """;

    public async ValueTask DisposeAsync()
    {
        if (_registry is not null) await _registry.DisposeAsync();
        if (_hub is not null) await _hub.DisposeAsync();
        Client.Dispose();
        GC.SuppressFinalize(this);
    }

    private async Task FillAsync()
    {
        await Task.WhenAll(TeamAsync(), ChartAsync(), SkopeoImagesAsync(), SifAsync(), PlatformsAsync(), HubAsync());
    }

    // Signed and released; then a newer push of the same tag, which is held; a tag that is only held; and a signature of a stranger.
    private async Task TeamAsync()
    {
        await PushAsync("team/app:v1", 1);
        await SignAsync("release", "team/app:v1");
        await PushAsync("team/app:v2", 2);
        await PushAsync("team/app:v3", 3);
        await SignAsync("stranger", "team/app:v3");
        Client.Folder.Write(
            "sbom.spdx.json",
            """{ "spdxVersion": "SPDX-2.3", "packages": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] }""");
        (await Client.OrasAsync(
            "attach", "--plain-http", "--artifact-type", "application/spdx+json", At("team/app:v1"),
            "sbom.spdx.json:application/spdx+json")).Succeeded();
    }

    private async Task ChartAsync()
    {
        Client.Folder.Write("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\ndescription: A web server\n");
        Client.Folder.Write("web/values.yaml", "greeting: hello\nreplicas: 2\n");
        Client.Folder.Write("web/README.md", "# web\n\nServes <b>pages</b>.\n");
        Client.Folder.Write("web/templates/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\n");
        (await Client.HelmAsync("package", Client.Folder["web"])).Succeeded();
        (await Client.HelmAsync("push", "--plain-http", Client.Folder["web-1.2.3.tgz"], $"oci://{At("charts")}")).Succeeded();
    }

    private async Task SkopeoImagesAsync()
    {
        using var key = RSA.Create(3072);
        var publicKey = Client.Folder.Write("public.pem", key.ExportSubjectPublicKeyInfoPem());
        var (layout, _) = OciLayout.SmallImage(Client.Folder["plain"], seed: 40);
        string[] to = ["copy", "--dest-tls-verify=false"];
        (await Client.SkopeoAsync(
            [.. to, "--encryption-key", $"jwe:{publicKey}", $"oci:{layout.Root}:1", $"docker://{At("sealed/app:1")}"])).Succeeded();
        (await Client.SkopeoAsync(
            [.. to, "--dest-compress-format", "zstd", $"oci:{layout.Root}:1", $"docker://{At("packed/zstd:1")}"])).Succeeded();
    }

    private async Task SifAsync()
    {
        var sif = Client.Folder["hello.sif"];
        Client.Folder.Write("root/etc/hello", "hello\n");
        var squashed = Client.Folder["root.squashfs"];
        (await Client.RunAsync("mksquashfs", Client.Folder["root"], squashed, "-quiet", "-no-progress")).Succeeded();
        (await Client.RunAsync("apptainer", "sif", "new", sif)).Succeeded();
        (await Client.RunAsync(
            "apptainer", "sif", "add", "--datatype", "4", "--parttype", "2", "--partfs", "1", "--partarch", "2", "--groupid", "1", sif,
            squashed)).Succeeded();
        (await Client.OrasAsync(
            "push", "--plain-http", "--config", "/dev/null:application/vnd.sylabs.sif.config.v1+json", "--disable-path-validation",
            At("sif/hello:1"), $"{sif}:application/vnd.sylabs.sif.layer.v1.sif")).Succeeded();
    }

    private async Task PlatformsAsync()
    {
        var layout = new OciLayout(Client.Folder["both"]);
        var amd64 = layout.AddImage("amd64", ("hello", OciLayout.Noise(50, 30_000)));
        var arm64 = layout.AddImage("arm64", ("hello", OciLayout.Noise(51, 20_000)));
        layout.Tag("1", layout.AddIndex(("amd64", amd64), ("arm64", arm64)));
        (await Client.SkopeoAsync(
            "copy", "--all", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{At("multi/app:1")}")).Succeeded();
    }

    private async Task HubAsync()
    {
        var (layout, _) = OciLayout.SmallImage(Client.Folder["hub"], seed: 60);
        (await Client.SkopeoAsync(
            "copy", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{_hub!.Host}/library/alpine:3")).Succeeded();
        // By one gateway: under a policy it has no blob of an upstream whose manifest it has not seen.
        var reference = $"{Gateway.Host}/hub.test/library/alpine:3";
        (await Client.CraneAsync("pull", "--insecure", reference, Client.Folder["alpine.tar"])).Succeeded();
    }

    /// <summary>Pushes a small image.</summary>
    internal async Task PushAsync(string reference, int seed)
    {
        var (layout, _) = OciLayout.SmallImage(Client.Folder[$"image{seed}"], seed: seed);
        (await Client.CraneAsync("push", "--insecure", layout.Root, At(reference))).Succeeded();
    }

    /// <summary>Signs a reference with cosign 3, offline.</summary>
    internal async Task SignAsync(string key, string reference)
    {
        var services = Client.Folder[$"services-{Guid.NewGuid():N}.json"];
        (await Client.RunAsync("cosign3", "signing-config", "create", "--out", services)).Succeeded();
        (await Client.RunAsync(
            "cosign3", "sign", "-y", "--allow-http-registry", "--key", Client.Folder[$"{key}.key"], $"--signing-config={services}",
            At(reference))).Succeeded();
    }
}
