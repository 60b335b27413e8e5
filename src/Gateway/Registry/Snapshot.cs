using System.Collections.Frozen;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Web;

namespace Gateway.Registry;

/// <summary>
/// Everything that one configuration makes. A request keeps the snapshot that it began with; a reload makes another one.
/// </summary>
internal sealed record Snapshot(GatewayOptions Options, AccessControl Access, RepositoryRouter Router)
{
    /// <summary>Host names that the configuration gives this gateway on any listener: those of routes and of <c>publicUrl</c>.</summary>
    public FrozenSet<string> OwnNames { get; } = Options.Routes.SelectMany(route => route.Hosts)
        .Concat(Options.PublicUrl is { } url ? [url.Host] : [])
        .ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>The hosts on which the web applications of upstreams are served.</summary>
    public WebSites Web { get; init; } = WebSites.None;

    /// <summary>The revision of the policy, in hexadecimal; "none" without a policy. Replicas compare it.</summary>
    public string PolicyRevision { get; init; } = "none";

    /// <summary>Host and port of <c>publicUrl</c>; null without one.</summary>
    public string? PublicAuthority { get; } = Options.PublicUrl?.Authority;

    /// <summary>Whether the credentials that clients send are for an upstream, and never for the gateway.</summary>
    public bool PassesCredentialsOn { get; } = Options.PassesCredentialsOn;

    /// <summary>Largest manifest that is read from a client, in bytes.</summary>
    public int MaxManifestBytes { get; } = Options.DocumentLimits.MaxBytes;
}
