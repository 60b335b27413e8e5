using System.Collections.Immutable;

namespace Gateway.Upstream;

public sealed record UpstreamOptions
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

/// <summary>Whose credentials an upstream sees.</summary>
public enum UpstreamAuth
{
    /// <summary>Ours, for everybody.</summary>
    Service,

    /// <summary>Nobody's.</summary>
    Public,

    /// <summary>Each client's own.</summary>
    Passthrough,
}

/// <summary>What we show an upstream. The password is read from its file at each use, so that a rotated one is taken up.</summary>
public sealed record CredentialOptions
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

public sealed record TagOptions
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

/// <summary>What is done where the upstream does not answer as hoped.</summary>
public enum StaleUse
{
    Deny,
    Serve,
}

/// <summary>When signatures and other referrers are fetched.</summary>
public enum ReferrersFetch
{
    /// <summary>Behind the manifest that they are about, so that they are here when the upstream is gone.</summary>
    WithSubject,

    /// <summary>When somebody asks for them.</summary>
    OnDemand,
}
