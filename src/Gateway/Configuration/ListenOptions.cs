using System.Collections.Immutable;

namespace Gateway.Configuration;

internal sealed record ListenOptions
{
    public required Uri Url { get; init; }

    public TlsOptions? Tls { get; init; }

    /// <summary>
    /// <c>access: pull-only</c>: every write is refused here, and <c>GET /v2/</c> is never challenged (dockerd's anonymous mirror).
    /// </summary>
    public bool PullOnly { get; init; }

    /// <summary>Host names served here; empty serves any.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];

    /// <summary>Cleartext HTTP/2 by prior knowledge (RFC 9113, 3.3), and no HTTP/1.1, which a cleartext port cannot tell apart.</summary>
    public bool Http2 { get; init; }
}

/// <summary>Health, metrics and admin API.</summary>
internal sealed record OperatorOptions
{
    public Uri Url { get; init; } = new("http://127.0.0.1:5001");

    public TlsOptions? Tls { get; init; }

    /// <summary>Absolute path of the file that holds the token; null asks nobody for one, which only loopback may.</summary>
    public string? TokenFile { get; init; }
}

/// <summary>PEM files, absolute paths.</summary>
internal sealed record TlsOptions(string Certificate, string Key)
{
    /// <summary>PEM file of the authorities whose certificates name clients; null asks no client for one.</summary>
    public string? ClientAuthorities { get; init; }

    /// <summary>Whether a client without a certificate of theirs is refused while connecting.</summary>
    public bool RequireClientCertificate { get; init; }

    public CertificateName ClientName { get; init; }
}

/// <summary>Which field of a client's certificate names the actor.</summary>
internal enum CertificateName
{
    /// <summary>The subject's common name.</summary>
    CommonName,

    /// <summary>The subject's alternative name of this kind (RFC 5280, 4.2.1.6).</summary>
    Dns,
    Email,
    Uri,
}
