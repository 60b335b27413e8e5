using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>The kinds of paths of the registry API.</summary>
public enum UpstreamNoun
{
    /// <summary>A manifest, by tag or digest.</summary>
    Manifest,

    /// <summary>A blob, by digest.</summary>
    Blob,

    /// <summary>The tags of a repository.</summary>
    Tags,

    /// <summary>The referrers of a subject.</summary>
    Referrers,

    /// <summary>The names of all repositories.</summary>
    Catalog,

    /// <summary>An upload session.</summary>
    Upload,
}

/// <summary>One request about a repository of an upstream, or for its catalog.</summary>
/// <param name="Noun">The kind of path.</param>
/// <param name="Name">The upstream's own name of the repository (prefix removed, <c>library/</c> added); empty for the catalog.</param>
/// <param name="Reference">The tag or digest; empty for tags and the catalog. For an upload: the digest of the blob.</param>
public sealed record UpstreamRequest(HttpMethod Method, UpstreamNoun Noun, RepositoryName Name, string Reference)
{
    /// <summary>
    /// The first and last byte to request, inclusive; null for the whole content. Always closed, because some registries refuse open
    /// ranges.
    /// </summary>
    public (long First, long Last)? Range { get; init; }

    /// <summary>The strong ETag of the content to which the range must belong; null for none.</summary>
    public string? IfRange { get; init; }

    /// <summary>The ETag of the copy that the gateway has: the upstream may answer 304 without a body. Null for none.</summary>
    public string? IfNoneMatch { get; init; }

    /// <summary>The query without the question mark, already encoded (<c>n=…&amp;last=…</c>, <c>artifactType=…</c>).</summary>
    public string? Query { get; init; }

    /// <summary>The endpoint to try last, because it just failed for this content; null for none.</summary>
    public Uri? Except { get; init; }

    /// <summary>The body; null for none.</summary>
    internal UpstreamBody? Body { get; init; }

    /// <summary>The upload session of the request, which determines its address and account; null for none.</summary>
    internal UpstreamSession? Session { get; init; }

    /// <summary>
    /// Whether the request is optional, such as a prefetch. A failure of it does not count for the endpoint's breaker.
    /// </summary>
    public bool IsOptional { get; init; }

    /// <summary>
    /// Whether the gateway must not send the request at the given rate budget; <see cref="IUpstreamRegistry.SendAsync"/> then throws
    /// <see cref="UpstreamHeldException"/>. Null to send it at any rate budget.
    /// </summary>
    public Func<RateLimit, bool>? IsHeldAt { get; init; }

    /// <summary>Whether the request needs permission to push or delete. Reading the state of an upload session does too.</summary>
    public bool IsWrite => Noun == UpstreamNoun.Upload || (Method != HttpMethod.Get && Method != HttpMethod.Head);
}

/// <summary>An upload session that an upstream opened. Its address is never shown to a client.</summary>
/// <param name="Endpoint">The endpoint that opened it; another host may receive the bytes.</param>
/// <param name="Account">The account that opened it.</param>
/// <param name="Address">The address of the next request: the last <c>Location</c>, absolute, within the trust boundary.</param>
internal sealed record UpstreamSession(Uri Endpoint, Account Account, Uri Address);
