using System.Collections.Immutable;
using System.Net;
using Gateway.Policy;
using Gateway.Upstream;

namespace Gateway.Configuration;

/// <summary>gateway.yaml, checked; immutable. Every default stands in its property.</summary>
internal sealed record GatewayOptions
{
    public ImmutableArray<ListenOptions> Listen { get; init; } = [new() { Url = new("http://127.0.0.1:5000") }];

    /// <summary>Certificate for every <c>https://</c> listener that names none of its own.</summary>
    public TlsOptions? Tls { get; init; }

    public OperatorOptions Operator { get; init; } = new();

    /// <summary>Networks of the proxies whose word on a request's client, scheme and host is taken.</summary>
    public ImmutableArray<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary>Scheme, host and port by which clients reach this gateway; null where each request says it.</summary>
    public Uri? PublicUrl { get; init; }

    public StorageOptions Storage { get; init; } = new();

    public CacheOptions Cache { get; init; } = new();

    /// <summary>By key, which is the default prefix and the default <c>?ns=</c>.</summary>
    public ImmutableSortedDictionary<string, UpstreamOptions> Upstreams { get; init; } =
        ImmutableSortedDictionary<string, UpstreamOptions>.Empty;

    /// <summary>
    /// Complete: what the file left out has been filled in (each upstream without a route under its key, and without any routes "" in
    /// built-in storage). Longest prefix first.
    /// </summary>
    public ImmutableArray<RouteOptions> Routes { get; init; } = [new() { Prefix = "" }];

    /// <summary>
    /// The route by which pushes go on to an upstream; null where it takes none. Where several lead to it they say the same.
    /// </summary>
    public RouteOptions? FrontOf(string upstream) => Routes.FirstOrDefault(route => route.Upstream == upstream && route.Forwards);

    /// <summary>Null when the file has no such section: open, and only on loopback.</summary>
    public AccessOptions? Access { get; init; }

    /// <summary>Null for no audit log.</summary>
    public AuditOptions? Audit { get; init; }

    /// <summary>Whether the credentials that clients send are for an upstream, and none of them for us.</summary>
    public bool PassesCredentialsOn => Upstreams.Values.Any(upstream => upstream.Auth == UpstreamAuth.Passthrough);

    /// <summary>Whether some listener asks clients for certificates.</summary>
    public bool AsksForCertificates =>
        Listen.Any(each => each.Url.Scheme == Uri.UriSchemeHttps && (each.Tls ?? Tls)?.ClientAuthorities is not null);

    public ClientLimits Limits { get; init; } = new();

    /// <summary>Null when the file has no such section: everything is admitted.</summary>
    public PolicyOptions? Policy { get; init; }
}

internal sealed record RouteOptions
{
    /// <summary>Whole path components, without slashes at the ends; empty for the rest. Taken off for the upstream.</summary>
    public required string Prefix { get; init; }

    /// <summary>Key of the upstream; null for built-in storage.</summary>
    public string? Upstream { get; init; }

    /// <summary>Whether pushes go on to the upstream; else they are refused.</summary>
    public bool Forwards { get; init; }

    /// <summary>Whether a push is answered before the upstream has it.</summary>
    public bool ForwardsLater { get; init; }

    /// <summary>Host names (the Host header, without port) that stand for the prefix: at such a host clients leave it out.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];

    /// <summary>Which requests outside the gateway's own paths go to the upstream's web application; null for none.</summary>
    public WebOptions? Web { get; init; }

    /// <summary>The hosts of this route on which such requests are forwarded.</summary>
    public ImmutableArray<string> WebHosts => Web is null ? [] : Web.Hosts.IsEmpty ? Hosts : Web.Hosts;
}

/// <summary>How a route forwards requests to the upstream's web application.</summary>
internal sealed record WebOptions
{
    /// <summary>Those of the route's hosts that this is for; empty for all of them.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];

    /// <summary>
    /// Whether the upstream receives the <c>Host</c> that the client sent; otherwise that of the upstream's own address, with
    /// <c>Origin</c> and <c>Referer</c> to match.
    /// </summary>
    public bool KeepsHost { get; init; }
}

/// <summary>Where it is written down who did what.</summary>
internal sealed record AuditOptions
{
    /// <summary>Absolute path.</summary>
    public string Path { get; init; } = "";

    /// <summary>Bytes of one file.</summary>
    public long MaxSize { get; init; } = 100L << 20;

    /// <summary>Files kept beside the one that is written.</summary>
    public int Keep { get; init; } = 10;

    /// <summary>Whether nothing changes while it cannot be written.</summary>
    public bool Refuse { get; init; } = true;
}
