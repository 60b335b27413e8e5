using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>What is asked of an upstream.</summary>
public enum UpstreamNoun
{
    Manifest,
    Blob,
    Tags,
    Referrers,

    /// <summary>The names of all repositories.</summary>
    Catalog,

    /// <summary>A session that takes a blob.</summary>
    Upload,
}

/// <summary>One request for one repository of an upstream, or for its catalog.</summary>
/// <param name="Name">The upstream's own name of the repository (prefix taken off, <c>library/</c> put on); empty for the catalog.</param>
/// <param name="Reference">Tag or digest; empty for tags and the catalog. For an upload: the digest of what is uploaded.</param>
public sealed record UpstreamRequest(HttpMethod Method, UpstreamNoun Noun, RepositoryName Name, string Reference)
{
    /// <summary>First and last byte wanted, inclusive: ranges are always closed, for some registries refuse open ones.</summary>
    public (long First, long Last)? Range { get; init; }

    /// <summary>A strong ETag that the range must still belong to.</summary>
    public string? IfRange { get; init; }

    /// <summary>Query without the question mark, already encoded (<c>n=…&amp;last=…</c>, <c>artifactType=…</c>).</summary>
    public string? Query { get; init; }

    /// <summary>An endpoint that has just failed for this content and is tried last.</summary>
    public Uri? Except { get; init; }

    /// <summary>What is sent.</summary>
    internal UpstreamBody? Body { get; init; }

    /// <summary>The upload session that this belongs to: it goes to that address and is sent by that account, never by another.</summary>
    internal UpstreamSession? Session { get; init; }

    /// <summary>
    /// Whether it can be done without. A refusal then says nothing about the endpoint but that it wants no more of these now: no breaker
    /// hears of it.
    /// </summary>
    public bool IsOptional { get; init; }

    /// <summary>
    /// Whether it stays unsent at what is left of the rate limit: <see cref="UpstreamHeldException"/> then. Null where it is sent as long
    /// as the upstream takes it.
    /// </summary>
    public Func<RateLimit, bool>? IsHeldAt { get; init; }

    /// <summary>Whether it takes the right to push. What an upload session has is a pusher's business too.</summary>
    public bool IsWrite => Noun == UpstreamNoun.Upload || (Method != HttpMethod.Get && Method != HttpMethod.Head);
}

/// <summary>An upload session as an upstream opened it. The address is between us and the upstream: no client is shown it.</summary>
/// <param name="Endpoint">Who opened it; not always who takes the bytes.</param>
/// <param name="Account">For whom.</param>
/// <param name="Address">Where the next request goes: the last <c>Location</c>, absolute, within the trust boundary.</param>
internal sealed record UpstreamSession(Uri Endpoint, Account Account, Uri Address);
