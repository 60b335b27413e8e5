using Gateway.Configuration;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>What is asked of an upstream.</summary>
internal enum UpstreamNoun
{
    Manifest,
    Blob,
    Tags,
    Referrers,
}

/// <summary>One request for one repository of an upstream.</summary>
/// <param name="Method">GET or HEAD.</param>
/// <param name="Name">The upstream's own name of the repository (prefix taken off, <c>library/</c> put on).</param>
/// <param name="Reference">Tag or digest; empty for tags.</param>
internal sealed record UpstreamRequest(HttpMethod Method, UpstreamNoun Noun, RepositoryName Name, string Reference)
{
    /// <summary>First and last byte wanted, inclusive: ranges are always closed, for some registries refuse open ones.</summary>
    public (long First, long Last)? Range { get; init; }

    /// <summary>A strong ETag that the range must still belong to.</summary>
    public string? IfRange { get; init; }

    /// <summary>Query without the question mark, already encoded (<c>n=…&amp;last=…</c>, <c>artifactType=…</c>).</summary>
    public string? Query { get; init; }

    /// <summary>An endpoint that has just failed for this content and is tried last.</summary>
    public Uri? Except { get; init; }
}

/// <summary>An upstream's answer, its headers read and its body not. Dispose it; an unread body is given up.</summary>
internal sealed class UpstreamResponse : IAsyncDisposable
{
    /// <summary>The final status, after tokens and redirects: 200, 206, 404, 416 …; what means "not now" is thrown instead.</summary>
    public int Status { get; init; }

    /// <summary>Content-Length of this body (for HEAD: of what GET would give); null when not said.</summary>
    public long? Length { get; init; }

    /// <summary>For 206: first byte and the whole length (null when <c>*</c>).</summary>
    public (long First, long Last, long? Whole)? ContentRange { get; init; }

    /// <summary>Media type without parameters.</summary>
    public string? ContentType { get; init; }

    /// <summary>Docker-Content-Digest, where it is a digest; a claim, not a proof.</summary>
    public Digest DigestClaim { get; init; }

    /// <summary>ETag as sent.</summary>
    public string? ETag { get; init; }

    /// <summary>Target of <c>Link: rel="next"</c>: its query only.</summary>
    public string? NextQuery { get; init; }

    /// <summary>Value of OCI-Filters-Applied.</summary>
    public string? FiltersApplied { get; init; }

    /// <summary>Value of <c>ratelimit-remaining</c> as sent (Docker Hub).</summary>
    public string? RateLimitRemaining { get; init; }

    /// <summary>Which endpoint answered.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>The body; empty for HEAD.</summary>
    public Stream Body { get; init; } = Stream.Null;

    /// <summary>What else must be given back.</summary>
    public IDisposable? Owner { get; init; }

    public ValueTask DisposeAsync()
    {
        Owner?.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Why an upstream could not answer.</summary>
internal enum UpstreamFailure
{
    /// <summary>Refused connection, time-out, TLS, 5xx, an open breaker.</summary>
    Unavailable,

    /// <summary>429, or a budget of ours is spent.</summary>
    RateLimited,

    /// <summary>401 or 403 with the credentials we have.</summary>
    Unauthorized,

    /// <summary>It answered what no registry should: a redirect that the trust boundary forbids, an encoding, a document that is none.</summary>
    Misbehaving,
}

/// <summary>An upstream could not answer. The message is one line fit for a client: it names the upstream and never a secret.</summary>
internal sealed class UpstreamException(UpstreamFailure failure, string message, TimeSpan? retryAfter = null, int? status = null, Exception? inner = null)
    : Exception(message, inner)
{
    public UpstreamFailure Failure { get; } = failure;

    public TimeSpan? RetryAfter { get; } = retryAfter;

    public int? Status { get; } = status;
}

/// <summary>One upstream: its endpoints, credentials, tokens and trust boundary behind one call.</summary>
internal interface IUpstreamRegistry
{
    UpstreamOptions Options { get; }

    /// <summary>
    /// Sends one request, with tokens, redirects and other endpoints as needed. Answers 2xx, 304, 404, 405, 416; throws <see cref="UpstreamException"/> for the rest.
    /// </summary>
    Task<UpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken);

    /// <summary>Notes that a body from this endpoint broke off or was wrong, so that the breaker knows.</summary>
    void Report(Uri endpoint, bool wrong);
}
