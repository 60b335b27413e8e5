using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using Gateway.Policy;
using Gateway.Upstream;

namespace Gateway.Configuration;

/// <summary>The checked, immutable options of gateway.yaml. Each property has its default.</summary>
internal sealed record GatewayOptions
{
    /// <summary>Where the configuration was read from; null when it was not read.</summary>
    public ConfigurationOrigin? Origin { get; init; }

    public ImmutableArray<ListenOptions> Listen { get; init; } = [new() { Url = new("http://127.0.0.1:5000") }];

    /// <summary>Certificate of every <c>https://</c> listener without its own.</summary>
    public TlsOptions? Tls { get; init; }

    public OperatorOptions Operator { get; init; } = new();

    /// <summary>Networks of the proxies that are trusted to state a request's client, scheme and host.</summary>
    public ImmutableArray<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary>Scheme, host and port by which clients reach this gateway; null to use each request's.</summary>
    public Uri? PublicUrl { get; init; }

    public StorageOptions Storage { get; init; } = new();

    public CacheOptions Cache { get; init; } = new();

    public GcOptions Gc { get; init; } = new();

    public TrashOptions Trash { get; init; } = new();

    public ScrubOptions Scrub { get; init; } = new();

    /// <summary>Upstreams by key, which is the default prefix and the default <c>?ns=</c>.</summary>
    public ImmutableSortedDictionary<string, UpstreamOptions> Upstreams
    {
        get;
        init
        {
            field = value;
            PassesCredentialsOn = value.Values.Any(upstream => upstream.Auth == UpstreamAuth.Passthrough);
        }
    } = ImmutableSortedDictionary<string, UpstreamOptions>.Empty;

    /// <summary>
    /// Routes including defaults (each upstream without a route under its key, and without any routes "" in
    /// built-in storage). Longest prefix first.
    /// </summary>
    public ImmutableArray<RouteOptions> Routes
    {
        get;
        init
        {
            field = value;
            _fronts = value.Where(route => route is { Forwards: true, Upstream: not null }).DistinctBy(route => route.Upstream)
                .ToFrozenDictionary(route => route.Upstream!);
        }
    } = [new() { Prefix = "" }];

    // Looked up for each request to a passthrough upstream.
    private readonly FrozenDictionary<string, RouteOptions> _fronts = FrozenDictionary<string, RouteOptions>.Empty;

    /// <summary>
    /// The route by which pushes are forwarded to an upstream; null for none. Several routes to it have equal values.
    /// </summary>
    public RouteOptions? FrontOf(string upstream) => _fronts.GetValueOrDefault(upstream);

    /// <summary>Null if the file has no such section: open, and only on loopback.</summary>
    public AccessOptions? Access { get; init; }

    /// <summary>
    /// The file whose secret the gateway's tokens are signed with: gateways that know each other, or are told to, accept each other's. Null
    /// for a key of this process.
    /// </summary>
    public string? TokenKeyFile => Access?.TokenKeyFile ?? Replicas?.SecretFile;

    /// <summary>Null if this gateway is alone.</summary>
    public ReplicaOptions? Replicas { get; init; }

    /// <summary>Null for no audit log.</summary>
    public AuditOptions? Audit { get; init; }

    /// <summary>Whether the credentials that clients send are for an upstream, not for the gateway.</summary>
    public bool PassesCredentialsOn { get; private init; }

    /// <summary>Whether a listener requests client certificates.</summary>
    public bool AsksForCertificates =>
        Listen.Any(each => each.Url.Scheme == Uri.UriSchemeHttps && (each.Tls ?? Tls)?.ClientAuthorities is not null);

    public ClientLimits Limits { get; init; } = new();

    public ConsoleOptions Console { get; init; } = new();

    /// <summary>Null if the file has no such section: everything is admitted.</summary>
    public PolicyOptions? Policy { get; init; }

    /// <summary>The policy's bounds of a document; those of <see cref="ManifestLimits.Plain"/> without a policy.</summary>
    public ManifestLimits DocumentLimits => Policy?.Parser.Limits ?? ManifestLimits.Plain;
}

internal sealed record RouteOptions
{
    /// <summary>Whole path components, without slashes at the ends; empty for the rest. Removed for the upstream.</summary>
    public required string Prefix { get; init; }

    /// <summary>Key of the upstream; null for built-in storage.</summary>
    public string? Upstream { get; init; }

    /// <summary>Whether pushes are forwarded to the upstream; otherwise they are refused.</summary>
    public bool Forwards { get; init; }

    /// <summary>Whether a push is answered before the upstream has it.</summary>
    public bool ForwardsLater { get; init; }

    /// <summary>Host names (the Host header, without port) that stand for the prefix; clients of such a host omit the prefix.</summary>
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

/// <summary>The <c>console</c> section.</summary>
internal sealed record ConsoleOptions
{
    /// <summary>Whether listeners serve the console, after a login; the operator port always does.</summary>
    public bool Listen { get; init; }
}

/// <summary>The <c>audit</c> section.</summary>
internal sealed record AuditOptions
{
    /// <summary>Absolute path.</summary>
    public string Path { get; init; } = "";

    /// <summary>Bytes of one file.</summary>
    public long MaxSize { get; init; } = 100L << 20;

    /// <summary>Number of renamed files to keep.</summary>
    public int Keep { get; init; } = 10;

    /// <summary>Whether changing requests are refused while the file cannot be written.</summary>
    public bool Refuse { get; init; } = true;
}
