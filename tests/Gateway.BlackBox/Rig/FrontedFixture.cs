using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// One gateway in front of three of Debian's docker-registry: <c>plain</c>, <c>accounts</c> (htpasswd, with the gateway's own account) and
/// <c>tls</c>. Each has a route with that name.
/// </summary>
public sealed class FrontedFixture : IAsyncLifetime
{
    private const string Name = "gateway";
    private const string Password = "a fronted registry's password";

    private readonly TempFolder _folder = new();
    private readonly Dictionary<string, DockerRegistry> _registries = [];
    private Authority _authority = null!;

    internal static string[] Kinds { get; } = ["plain", "accounts", "tls"];

    internal GatewayProcess Gateway { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        _authority = new Authority(_folder);
        _registries["plain"] = await DockerRegistry.StartAsync();
        _registries["accounts"] = await DockerRegistry.StartAsync(user: (Name, Password));
        _registries["tls"] = await DockerRegistry.StartAsync(authority: _authority);
        Gateway = await GatewayProcess.StartAsync($$"""
            upstreams:
              plain: { url: "{{Registry("plain").Url}}" }
              accounts:
                url: "{{Registry("accounts").Url}}"
                credentials: { username: {{Name}}, passwordFile: "{{_folder.Write("password", Password)}}" }
              tls: { url: "{{Registry("tls").Url}}", certificateAuthority: "{{_authority.AuthorityFile}}" }
            routes:
              - { prefix: plain, upstream: plain, push: forward }
              - { prefix: accounts, upstream: accounts, push: forward }
              - { prefix: tls, upstream: tls, push: forward }
            """);
    }

    internal DockerRegistry Registry(string kind) => _registries[kind];

    /// <summary>Copies the image of a reference, with its referrers, from the gateway and directly from the registry.</summary>
    /// <returns>The digests of all files of each copy.</returns>
    internal async Task<(string[] Here, string[] There)> CopyBothAsync(Client client, string kind, string reference)
    {
        LogIn(client, kind);
        return (
            await CopyAsync(client, "here", $"{Gateway.Host}/{kind}/{reference}", "--from-plain-http"),
            await CopyAsync(client, "there", $"{Registry(kind).Host}/{reference}", kind == "tls" ? [] : ["--from-plain-http"]));
    }

    /// <summary>Configures the client with what the registry requires of its own clients.</summary>
    internal void LogIn(Client client, string kind)
    {
        client.Environment["SSL_CERT_FILE"] = _authority.AuthorityFile;
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Name}:{Password}"));
        var auths = kind == "accounts" ? $$$"""{ "{{{Registry(kind).Host}}}": { "auth": "{{{login}}}" } }""" : "{}";
        client.Folder.Write("home/.docker/config.json", $$"""{ "auths": {{auths}} }""");
    }

    /// <summary>The tags that the registry lists.</summary>
    internal async Task<string[]> TagsThereAsync(Client client, string kind, string repository)
    {
        LogIn(client, kind);
        var listed = await client.CraneAsync("ls", "--insecure", $"{Registry(kind).Host}/{repository}");
        return [.. listed.Succeeded().Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
    }

    public async ValueTask DisposeAsync()
    {
        if (Gateway is not null) await Gateway.DisposeAsync();
        foreach (var registry in _registries.Values) await registry.DisposeAsync();
        _folder.Dispose();
    }

    private static async Task<string[]> CopyAsync(Client client, string name, string reference, params string[] options)
    {
        (await client.OrasAsync(["cp", "--recursive", .. options, "--to-oci-layout", reference, $"{client.Folder[name]}:1"])).Succeeded();
        return OciLayout.DigestsIn(client.Folder[name]);
    }
}
