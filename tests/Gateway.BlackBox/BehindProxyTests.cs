using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Real clients log in, push and pull through a proxy that terminates TLS and uses another name for the gateway.</summary>
public sealed class BehindProxyTests
{
    private static readonly string Secret = Canary.Secret("ci");

    [Theory]
    [InlineData("nginx")]
    [InlineData("haproxy")]
    public async Task Clients_are_redirected_to_the_name_of_the_proxy_over_tls(string name)
    {
        using var client = new Client();
        var authority = new Authority(client.Folder);
        client.Environment["SSL_CERT_FILE"] = authority.AuthorityFile;
        var (layout, image) = OciLayout.SmallImage(client.Folder["image"]);
        var account = (await client.RunAsync("htpasswd", "-nbB", "ci", Secret)).Succeeded().Stdout.Trim();
        await using var gateway = await GatewayProcess.StartAsync(
            $$"""
            trustedProxies: 127.0.0.1
            access:
              htpasswd: "{{client.Folder.Write("htpasswd", account + "\n")}}"
              rules: [{ actors: [ci], repositories: ["team/**"], actions: [pull, push] }]
            """);
        await using var front = await Front.StartAsync(name, gateway.Host, authority);

        (await client.RunAsync("skopeo", "login", front.Host, "--username", "ci", "--password", Secret)).Succeeded();
        (await client.SkopeoAsync("copy", $"oci:{layout.Root}:1", $"docker://{front.Host}/team/app:1")).Succeeded();
        (await client.CraneAsync("auth", "login", front.Host, "--username", "ci", "--password", Secret)).Succeeded();
        var digest = (await client.CraneAsync("digest", $"{front.Host}/team/app:1")).Succeeded().Stdout.Trim();
        (await client.CraneAsync("copy", $"{front.Host}/team/app:1", $"{front.Host}/team/copy:1")).Succeeded();
        Assert.Equal(image.Digest, digest);

        using var http = new HttpClient();
        using var ping = await http.GetAsync(new Uri($"http://{gateway.Host}/v2/"));
        Assert.Equal(
            $"Bearer realm=\"http://{gateway.Host}/token\", service=\"{gateway.Host}\"",
            Spaced(ping.Headers.WwwAuthenticate.ToString()));
    }

    private static string Spaced(string challenge) => challenge.Replace("\",service", "\", service", StringComparison.Ordinal);
}
