using System.Collections.Immutable;
using Gateway.Upstream;

namespace Gateway.Configuration;

/// <summary>
/// One entry of <c>upstreams</c>: how to reach the registry, and what the gateway does with it. Two entries with equal values are equal.
/// </summary>
public sealed record UpstreamOptions : RegistryOptions
{
    /// <summary>Values of <c>?ns=</c> that mean this upstream: lower-case <c>host[:port]</c>.</summary>
    public ImmutableArray<string> Namespaces { get; init; } = [];

    /// <summary>Whether a name without a slash is a name below <c>library/</c>: <c>nginx</c> means <c>library/nginx</c>.</summary>
    public bool Library { get; init; }

    /// <summary>Whose credentials the upstream sees.</summary>
    public UpstreamAuth Auth { get; init; }

    /// <summary>
    /// With <see cref="UpstreamAuth.Passthrough"/>: how long an answer of the upstream to a client proves that the client may see the
    /// repository.
    /// </summary>
    public TimeSpan ProvenFor { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long tags are fresh, and what is done when the upstream does not confirm one.</summary>
    public TagOptions Tags { get; init; } = new();

    /// <summary><c>verify: first</c>: the gateway sends no unverified byte, not even of an early range.</summary>
    public bool VerifyFirst { get; init; }

    /// <summary>When referrers are fetched.</summary>
    public ReferrersFetch Referrers { get; init; }

    /// <summary>Compares by value; a generated method would compare lists by identity.</summary>
    public bool Equals(UpstreamOptions? other) => other is not null && ConnectsAs(other)
        && Namespaces.SequenceEqual(other.Namespaces)
        && (Library, Auth, ProvenFor, VerifyFirst, Referrers)
            == (other.Library, other.Auth, other.ProvenFor, other.VerifyFirst, other.Referrers)
        && Tags == other.Tags;

    public override int GetHashCode() => HashCode.Combine(Key, Auth, Tags);
}

/// <summary>Whose credentials an upstream sees.</summary>
public enum UpstreamAuth
{
    /// <summary>The gateway's own credentials, for every client.</summary>
    Service,

    /// <summary>No credentials.</summary>
    Public,

    /// <summary>The credentials of the client that sends the request.</summary>
    Passthrough,
}

/// <summary>How long a tag of an upstream is fresh, and what is done when the upstream does not confirm it. Compared by value.</summary>
public sealed record TagOptions
{
    /// <summary>
    /// How long a tag is served without asking; zero is <c>always</c>, <see cref="Timeout.InfiniteTimeSpan"/> is <c>never</c>.
    /// </summary>
    public TimeSpan RevalidateAfter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Tags (globs) that are never asked for again.</summary>
    public ImmutableArray<string> Immutable { get; init; } = [];

    /// <summary>What to do after 429, 5xx, a timeout or a refused connection.</summary>
    public StaleUse OnUnavailable { get; init; } = StaleUse.Serve;

    /// <summary>
    /// What to do after 404: zero denies, <see cref="Timeout.InfiniteTimeSpan"/> serves, and any other time serves the tag for that long
    /// after the upstream last had it.
    /// </summary>
    public TimeSpan OnGone { get; init; } = TimeSpan.Zero;

    /// <summary>What to do after 401 or 403.</summary>
    public StaleUse OnUnauthorized { get; init; } = StaleUse.Deny;

    /// <summary>Compares by value; a generated method would compare the list by identity.</summary>
    public bool Equals(TagOptions? other) => other is not null && Immutable.SequenceEqual(other.Immutable)
        && (RevalidateAfter, OnUnavailable, OnGone, OnUnauthorized)
            == (other.RevalidateAfter, other.OnUnavailable, other.OnGone, other.OnUnauthorized);

    public override int GetHashCode() => HashCode.Combine(RevalidateAfter, OnUnavailable, OnGone, OnUnauthorized);
}

/// <summary>What is done with a cached tag that the upstream does not confirm.</summary>
public enum StaleUse
{
    /// <summary>The pull fails.</summary>
    Deny,

    /// <summary>The cached tag is served, marked as stale.</summary>
    Serve,
}

/// <summary>When signatures and other referrers are fetched.</summary>
public enum ReferrersFetch
{
    /// <summary>After the manifest that they are about, so that they are cached when the upstream is unavailable.</summary>
    WithSubject,

    /// <summary>When a client asks for them.</summary>
    OnDemand,
}
