using System.Collections.Immutable;

namespace Gateway.Configuration;

internal sealed record ListenOptions
{
    public required Uri Url { get; init; }

    public TlsOptions? Tls { get; init; }

    /// <summary>
    /// <c>access: pull-only</c>: every write is refused, and <c>GET /v2/</c> is never challenged (dockerd's anonymous mirror).
    /// </summary>
    public bool PullOnly { get; init; }

    /// <summary>Host names that this listener answers; empty for every name.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];

    /// <summary>Only cleartext HTTP/2 by prior knowledge (RFC 9113, 3.3), and no HTTP/1.1 on this port.</summary>
    public bool Http2 { get; init; }
}

/// <summary>The operator port: health, metrics and admin API.</summary>
internal sealed record OperatorOptions
{
    public Uri Url { get; init; } = new("http://127.0.0.1:5001");

    public TlsOptions? Tls { get; init; }

    /// <summary>Absolute path of the file with the token; null requires none, which is allowed on loopback only.</summary>
    public string? TokenFile { get; init; }
}

/// <summary>PEM files of a certificate and its key; absolute paths.</summary>
internal sealed record TlsOptions(string Certificate, string Key)
{
    /// <summary>PEM file of the authorities for client certificates; null to request none.</summary>
    public string? ClientAuthorities { get; init; }

    /// <summary>Whether the handshake fails for a client without such a certificate.</summary>
    public bool RequireClientCertificate { get; init; }

    public CertificateName ClientName { get; init; }
}

/// <summary>The field of a client's certificate that names the actor.</summary>
internal enum CertificateName
{
    /// <summary>The subject's common name.</summary>
    CommonName,

    /// <summary>The subject's alternative name of this kind (RFC 5280, 4.2.1.6).</summary>
    Dns,
    Email,
    Uri,
}
