using System.Collections.Immutable;

namespace Gateway.Upstream;

/// <summary>How the gateway reaches one upstream: its addresses, credentials, and the other hosts that the gateway trusts for it.</summary>
public record RegistryOptions
{
    /// <summary>The upstream's unique name in the configuration. Metrics, logs and errors use it.</summary>
    public required string Key { get; init; }

    /// <summary>The endpoints of the upstream (scheme, host and port), tried in this order.</summary>
    public required ImmutableArray<Uri> Urls { get; init; }

    /// <summary>
    /// The accounts at the upstream; the gateway uses the one with the largest remaining share of its rate limit. If empty, requests are
    /// anonymous.
    /// </summary>
    public ImmutableArray<CredentialOptions> Credentials { get; init; } = [];

    /// <summary>Token servers that receive the credentials, besides the upstream's own host and port.</summary>
    public ImmutableArray<Uri> Realms { get; init; } = [];

    /// <summary>
    /// Hosts (<c>*.</c> for any subdomain) to which the gateway follows redirects even if their address is private. They never receive
    /// credentials.
    /// </summary>
    public ImmutableArray<string> Redirects { get; init; } = [];

    /// <summary>
    /// The absolute path of a PEM file with certificate authorities to trust besides the system's; null to trust only the system's.
    /// </summary>
    public string? CertificateAuthority { get; init; }

    /// <summary>The HTTP proxy for this upstream; null for none.</summary>
    public Uri? Proxy { get; init; }

    /// <summary>
    /// The upstream's own host names that lead to the gateway, because the gateway is in front of the upstream. The gateway resolves an
    /// address under such a name in the upstream's responses to the upstream's endpoint.
    /// </summary>
    public ImmutableArray<string> OwnNames { get; init; } = [];

    /// <summary>
    /// Whether connections, tokens and breakers made for one of these options can serve the other. Compares the values of the properties
    /// that are declared here, not those of a derived record.
    /// </summary>
    public bool ConnectsAs(RegistryOptions other) => Key == other.Key && Urls.SequenceEqual(other.Urls)
        && Credentials.SequenceEqual(other.Credentials) && Realms.SequenceEqual(other.Realms) && Redirects.SequenceEqual(other.Redirects)
        && OwnNames.SequenceEqual(other.OwnNames) && CertificateAuthority == other.CertificateAuthority && Proxy == other.Proxy;
}
