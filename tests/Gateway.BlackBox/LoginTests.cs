using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The login of each client, over TLS with an authority that it trusts.</summary>
public sealed class LoginTests : IAsyncLifetime
{
    private static readonly string Secret = Canary.Secret("ci");

    private readonly Client _client = new();
    private readonly Authority _authority;
    private readonly OciLayout _layout;
    private readonly Described _image;
    private GatewayProcess _gateway = null!;

    public LoginTests()
    {
        _authority = new Authority(_client.Folder);
        (_layout, _image) = OciLayout.SmallImage(_client.Folder["image"]);
        _client.Environment["SSL_CERT_FILE"] = _authority.AuthorityFile;
    }

    public async ValueTask InitializeAsync()
    {
        var account = (await _client.RunAsync("htpasswd", "-nbB", "ci", Secret)).Succeeded().Stdout.Trim();
        _gateway = await GatewayProcess.StartAsync(
            $$"""
            access:
              htpasswd: "{{_client.Folder.Write("htpasswd", account + "\n")}}"
              rules: [{ actors: [ci], repositories: ["team/**"], actions: [pull, push] }]
            """,
            authority: _authority);
        (await _client.SkopeoAsync(
            "copy", "--dest-creds", $"ci:{Secret}", $"oci:{_layout.Root}:1", $"docker://{_gateway.Host}/team/app:1")).Succeeded();
    }

    [Theory]
    [InlineData("skopeo", "login", "inspect --raw docker://IMAGE", "--insecure-policy copy docker://IMAGE docker://HOST/team/pushed:1")]
    [InlineData("podman", "login", "pull IMAGE", "push IMAGE docker://HOST/team/pushed:1")]
    [InlineData("crane", "auth login", "digest IMAGE", "copy IMAGE HOST/team/pushed:1")]
    [InlineData("oras", "login", "manifest fetch IMAGE", "push HOST/team/pushed:1 note.txt")]
    [InlineData("cosign3", "login", "tree IMAGE", "upload blob -f note.txt HOST/team/pushed:1")]
    [InlineData("helm", "registry login", "show chart oci://HOST/team/web --version 1.2.2", "push web-1.2.3.tgz oci://HOST/team")]
    public async Task Client_is_asked_for_a_password_and_succeeds_with_the_right_one(string client, string login, string use, string push)
    {
        _ = new Podman(_client);
        _client.Folder.Write("note.txt", "a note");
        if (client == "helm")
            await PackageAsync();

        var strangers = (await RunAsync(use)).Failed();
        if (client == "podman")
            new Page("podman.md").Explains("unauthorized: log in to this registry first", strangers);
        // crane and cosign only store the password.
        var wrong = await LoginAsync(Canary.Secret("wrong"));
        if (client is not ("crane" or "cosign3"))
            wrong.Failed();
        (await RunAsync(push)).Failed();
        (await LoginAsync(Secret)).Succeeded();
        (await RunAsync(use)).Succeeded();
        (await RunAsync(push)).Succeeded();
        (await _client.SkopeoAsync(
            "inspect", "--raw", "--creds", $"ci:{Secret}",
            $"docker://{_gateway.Host}/team/{(client == "helm" ? "web:1.2.3" : "pushed:1")}"))
            .Succeeded();

        Task<Output> RunAsync(string command) => _client.RunAsync(client, [.. command
            .Replace("IMAGE", $"{_gateway.Host}/team/app:1", StringComparison.Ordinal)
            .Replace("HOST", _gateway.Host, StringComparison.Ordinal).Split(' ')]);

        Task<Output> LoginAsync(string password) =>
            _client.RunAsync(client, [.. login.Split(' '), _gateway.Host, "--username", "ci", "--password", password]);
    }

    [Fact]
    public async Task Account_of_a_node_in_the_hosts_file_of_containerd_is_used()
    {
        var page = new Page("containerd.md");
        await using var containerd = await Containerd.StartAsync(_client);
        var hosts = page.Block(
            "/etc/containerd/certs.d/_default/hosts.toml", "Logging in",
            ("https://gateway.example.com", $"https://{_gateway.Host}"),
            ("/etc/containerd/gateway-ca.pem", _authority.AuthorityFile),
            ("bm9kZTpzZWNyZXQ=", Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Secret}"))));
        containerd.Configure("_default", hosts.Replace("Authorization", "X-Left-Out", StringComparison.Ordinal));
        (await containerd.PullAsync($"{_gateway.Host}/team/app:1")).Failed();

        containerd.Configure("_default", hosts);

        (await containerd.PullAsync($"{_gateway.Host}/team/app:1")).Succeeded();
        Assert.Contains(_image.Digest, await containerd.ContentAsync());
        Assert.Equal(0, (await containerd.PullAsKubeletAsync($"{_gateway.Host}/team/app:1")).Status);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        _client.Dispose();
    }

    private async Task PackageAsync()
    {
        _client.Folder.Write("config.json", """{"name":"web","version":"1.2.2","apiVersion":"v2"}""");
        foreach (var version in (string[])["1.2.2", "1.2.3"])
        {
            _client.Folder.Write("web/Chart.yaml", $"apiVersion: v2\nname: web\nversion: {version}\n");
            (await _client.HelmAsync("package", _client.Folder["web"])).Succeeded();
        }
        (await _client.OrasAsync(
            "push", "--username", "ci", "--password", Secret, "--config", "config.json:application/vnd.cncf.helm.config.v1+json",
            $"{_gateway.Host}/team/web:1.2.2", "web-1.2.2.tgz:application/vnd.cncf.helm.chart.content.v1.tar+gzip")).Succeeded();
    }
}
