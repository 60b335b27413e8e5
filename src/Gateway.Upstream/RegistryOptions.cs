using System.Collections.Immutable;

namespace Gateway.Upstream;

/// <summary>How the gateway reaches one registry: addresses, credentials, and which other hosts it may be sent to.</summary>
public record RegistryOptions
{
    /// <summary>Its name in the configuration; unique. Metrics, logs and errors use it.</summary>
    public required string Key { get; init; }

    /// <summary>Endpoints of one registry, each scheme, host and port, tried in this order.</summary>
    public required ImmutableArray<Uri> Urls { get; init; }

    /// <summary>Accounts at the registry; the one with the most left of its rate limit asks. Empty: the gateway asks anonymously.</summary>
    public ImmutableArray<CredentialOptions> Credentials { get; init; } = [];

    /// <summary>Token servers, besides the registry's own host and port, that may see the credentials.</summary>
    public ImmutableArray<Uri> Realms { get; init; } = [];

    /// <summary>
    /// Hosts (<c>*.</c> for any subdomain) that blobs may be redirected to even if their address is private; they never see credentials.
    /// </summary>
    public ImmutableArray<string> Redirects { get; init; } = [];

    /// <summary>PEM file of certificate authorities to trust for this registry, absolute; null for the system's.</summary>
    public string? CertificateAuthority { get; init; }

    /// <summary>HTTP proxy for this registry; null for none.</summary>
    public Uri? Proxy { get; init; }

    /// <summary>
    /// Host names that the registry calls itself by and that lead to the gateway, because it stands in front of the registry under them.
    /// What the registry says about an address under such a name is about its own endpoint.
    /// </summary>
    public ImmutableArray<string> OwnNames { get; init; } = [];

    /// <summary>
    /// Whether both describe the same client, so that connections, tokens and breakers of one serve the other. Compares by value, and
    /// only what is declared here, also of a derived record.
    /// </summary>
    public bool ConnectsAs(RegistryOptions other) => Key == other.Key && Urls.SequenceEqual(other.Urls)
        && Credentials.SequenceEqual(other.Credentials) && Realms.SequenceEqual(other.Realms) && Redirects.SequenceEqual(other.Redirects)
        && OwnNames.SequenceEqual(other.OwnNames) && CertificateAuthority == other.CertificateAuthority && Proxy == other.Proxy;
}
