namespace Gateway.BlackBox.Rig;

/// <summary>
/// A registry that image names begin with, and the gateway in front of it, over TLS with its own authority. The gateway's policy refuses
/// <see cref="Refused"/>, which the registry itself serves to every client: a client that gets it has bypassed the gateway.
/// </summary>
public sealed class MirrorFixture : IAsyncLifetime
{
    internal const string Image = "team/app";
    internal const string Refused = "refused/app";

    private readonly Client _client = new();

    internal Authority Authority { get; private set; } = null!;

    internal OciLayout Layout { get; private set; } = null!;

    internal Described Pushed { get; private set; } = null!;

    /// <summary>The registry that the documentation calls <c>registry.corp.example</c>.</summary>
    internal DockerRegistry Origin { get; private set; } = null!;

    /// <summary>The gateway that the documentation calls <c>gateway.example.com</c>.</summary>
    internal GatewayProcess Gateway { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Authority = new Authority(_client.Folder);
        (Layout, Pushed) = OciLayout.SmallImage(_client.Folder["image"]);
        Origin = await DockerRegistry.StartAsync();
        foreach (var repository in (string[])[Image, Refused, "library/app", "library/other"])
            (await _client.CraneAsync("push", "--insecure", Layout.Root, $"{Origin.Host}/{repository}:1")).Succeeded();
        Gateway = await GatewayProcess.StartAsync(Configuration(), authority: Authority);
    }

    /// <summary>gateway.yaml without its addresses.</summary>
    internal string Configuration(string more = "") => $$"""
        upstreams:
          corp: { url: "http://{{Origin.Host}}", namespaces: ["{{Origin.Host}}"] }
          docker.io: { url: "http://{{Origin.Host}}" }
        policy:
          default: deny
          artifactTypes: {}
          rules:
            - { id: known, match: { repos: ["**/team/**", "**/library/app"] }, require: { artifactTypes: true } }
        {{more}}
        """;

    public async ValueTask DisposeAsync()
    {
        if (Gateway is not null)
            await Gateway.DisposeAsync();
        if (Origin is not null)
            await Origin.DisposeAsync();
        _client.Dispose();
    }
}
