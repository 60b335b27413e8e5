using System.Collections.Immutable;
using System.Net;
using Gateway.Policy;

namespace Gateway.Configuration;

/// <summary>gateway.yaml, checked; immutable. Every default stands in its property.</summary>
internal sealed record GatewayOptions
{
    public ImmutableArray<ListenOptions> Listen { get; init; } = [new() { Url = new("http://127.0.0.1:5000") }];

    /// <summary>Certificate for every <c>https://</c> listener that names none of its own.</summary>
    public TlsOptions? Tls { get; init; }

    public OperatorOptions Operator { get; init; } = new();

    public StorageOptions Storage { get; init; } = new();

    public CacheOptions Cache { get; init; } = new();

    /// <summary>By key, which is the default prefix and the default <c>?ns=</c>.</summary>
    public ImmutableSortedDictionary<string, UpstreamOptions> Upstreams { get; init; } =
        ImmutableSortedDictionary<string, UpstreamOptions>.Empty;

    /// <summary>
    /// Complete: what the file left out has been filled in (each upstream under its key, "" in built-in storage). Longest prefix first.
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

internal sealed record StorageOptions
{
    /// <summary>Absolute path of the volume; one process at a time.</summary>
    public string Path { get; init; } = System.IO.Path.GetFullPath("./data");
}

internal sealed record CacheOptions
{
    /// <summary>Most bytes of cached content; what clients pushed does not count.</summary>
    public long MaxSize { get; init; } = 20L << 30;

    /// <summary>Bytes of the volume kept free; below it content passes through without being kept.</summary>
    public long KeepFree { get; init; } = 1L << 30;

    public PrefetchOptions Prefetch { get; init; } = PrefetchOptions.Off;
}

/// <summary>What is fetched ahead of need when a manifest has come.</summary>
internal enum PrefetchMode
{
    /// <summary>Nothing.</summary>
    Off,

    /// <summary>Config and layers; of an index, for the platforms that clients have lately asked for.</summary>
    Auto,

    /// <summary>Config and layers; of an index, for these platforms.</summary>
    Listed,
}

/// <param name="Platforms">Of <see cref="PrefetchMode.Listed"/>: <c>os/architecture</c> or <c>os/architecture/variant</c>.</param>
internal sealed record PrefetchOptions(PrefetchMode Mode, ImmutableArray<string> Platforms)
{
    public static readonly PrefetchOptions Off = new(PrefetchMode.Off, []);

    public static readonly PrefetchOptions Auto = new(PrefetchMode.Auto, []);

    /// <summary>Whether a platform is one of those written; one written without a variant means every variant.</summary>
    public static bool Matches(IEnumerable<string> written, string platform) =>
        written.Any(each => platform == each || platform.StartsWith(each + "/", StringComparison.Ordinal));
}

internal sealed record UpstreamOptions
{
    public required string Key { get; init; }

    /// <summary>Endpoints of one registry, each scheme, host and port, tried in this order.</summary>
    public required ImmutableArray<Uri> Urls { get; init; }

    /// <summary>Values of <c>?ns=</c> that mean this upstream: lower-case <c>host[:port]</c>.</summary>
    public ImmutableArray<string> Namespaces { get; init; } = [];

    /// <summary><c>nginx</c> → <c>library/nginx</c>.</summary>
    public bool Library { get; init; }

    /// <summary>Who we are to it: the one with the most left of its rate limit asks. Empty: nobody in particular.</summary>
    public ImmutableArray<CredentialOptions> Credentials { get; init; } = [];

    public UpstreamAuth Auth { get; init; }

    /// <summary>With <see cref="UpstreamAuth.Passthrough"/>: how long what the upstream gave a client shows that he may see it.</summary>
    public TimeSpan ProvenFor { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Token servers, besides the upstream's own host and port, that may see the credentials.</summary>
    public ImmutableArray<Uri> Realms { get; init; } = [];

    /// <summary>
    /// Hosts (<c>*.</c> for any subdomain) that blobs may be redirected to even if their address is private; they never see credentials.
    /// </summary>
    public ImmutableArray<string> Redirects { get; init; } = [];

    public TagOptions Tags { get; init; } = new();

    /// <summary><c>verify: first</c>: nothing unverified is sent, not even an early range.</summary>
    public bool VerifyFirst { get; init; }

    public ReferrersFetch Referrers { get; init; }

    /// <summary>PEM file of certificate authorities to trust for this upstream, absolute; null for the system's.</summary>
    public string? CertificateAuthority { get; init; }

    /// <summary>HTTP proxy for this upstream; null for none.</summary>
    public Uri? Proxy { get; init; }
}

/// <summary>When signatures and other referrers are fetched.</summary>
internal enum ReferrersFetch
{
    /// <summary>Behind the manifest that they are about, so that they are here when the upstream is gone.</summary>
    WithSubject,

    /// <summary>When somebody asks for them.</summary>
    OnDemand,
}

/// <summary>Whose credentials an upstream sees.</summary>
internal enum UpstreamAuth
{
    /// <summary>Ours, for everybody.</summary>
    Service,

    /// <summary>Nobody's.</summary>
    Public,

    /// <summary>Each client's own.</summary>
    Passthrough,
}

/// <summary>What we show an upstream. The password is read from its file at each use, so that a rotated one is taken up.</summary>
internal sealed record CredentialOptions
{
    /// <summary>Without credentials, as one identity among others.</summary>
    public static readonly CredentialOptions Anonymous = new();

    /// <summary>What metrics and logs call it, where that was written.</summary>
    public string? Label { get; init; }

    public string? Username { get; init; }

    public string? Password { get; init; }

    /// <summary>Absolute path.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>Credential helper program (docker-credential-…), asked with <c>get</c>.</summary>
    public string? Helper { get; init; }

    /// <summary>What metrics and logs call it: never the secret.</summary>
    public string Name => Label ?? Username ?? Path.GetFileName(Helper) ?? "anonymous";

    public bool IsAnonymous => Username is null && Helper is null;

    /// <summary>Says who, never the secret.</summary>
    public override string ToString() => $"credentials of {Name}";
}

/// <summary>What is done where the upstream does not answer as hoped.</summary>
internal enum StaleUse
{
    Deny,
    Serve,
}

internal sealed record TagOptions
{
    /// <summary>
    /// How long a tag is served without asking; zero is <c>always</c>, <see cref="Timeout.InfiniteTimeSpan"/> is <c>never</c>.
    /// </summary>
    public TimeSpan RevalidateAfter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Tags (globs) that are never asked for again.</summary>
    public ImmutableArray<string> Immutable { get; init; } = [];

    /// <summary>429, 5xx, time-out, refused connection.</summary>
    public StaleUse OnUnavailable { get; init; } = StaleUse.Serve;

    /// <summary>404: zero denies, <see cref="Timeout.InfiniteTimeSpan"/> serves, else serves for so long after it was last seen.</summary>
    public TimeSpan OnGone { get; init; } = TimeSpan.Zero;

    /// <summary>401, 403.</summary>
    public StaleUse OnUnauthorized { get; init; } = StaleUse.Deny;
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

    /// <summary>Host names (the Host header, without port) that mean this route.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];
}
