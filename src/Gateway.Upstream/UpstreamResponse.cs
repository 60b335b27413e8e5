using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>An upstream's answer, its headers read and its body not. Dispose it; an unread body is given up.</summary>
public sealed class UpstreamResponse : IAsyncDisposable
{
    /// <summary>The final status, after tokens and redirects: 200, 206, 404, 416 …; what means "not now" is thrown instead.</summary>
    public int Status { get; init; }

    /// <summary>Content-Length of this body (for HEAD: of what GET would give); null when not said.</summary>
    public long? Length { get; init; }

    /// <summary>For 206: first byte and the whole length (null when <c>*</c>).</summary>
    public (long First, long Last, long? Whole)? ContentRange { get; init; }

    /// <summary>Media type in lower case, without parameters.</summary>
    public string? ContentType { get; init; }

    /// <summary>
    /// Content-Encoding, in the order of the codings; empty for none. Body and length are as they came: what they are worth the digest
    /// tells.
    /// </summary>
    public ImmutableArray<string> Codings { get; init; } = [];

    /// <summary>Docker-Content-Digest, where it is a digest; a claim, not a proof.</summary>
    public Digest DigestClaim { get; init; }

    /// <summary>OCI-Subject: the subject that the upstream took note of; empty when it did not say.</summary>
    public Digest Subject { get; init; }

    /// <summary>ETag as sent.</summary>
    public string? ETag { get; init; }

    /// <summary>Target of <c>Link: rel="next"</c>: its query only.</summary>
    public string? NextQuery { get; init; }

    /// <summary>Which endpoint answered.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>For an upload: the session as it is after this answer; null where the upstream named none.</summary>
    internal UpstreamSession? Session { get; init; }

    /// <summary>For an upload: how many bytes the upstream says it has (<c>Range: 0-…</c>); null when it does not.</summary>
    public long? Received { get; init; }

    /// <summary>The body; empty for HEAD and for writes.</summary>
    public Stream Body { get; init; } = Stream.Null;

    /// <summary>What else must be given back.</summary>
    public IDisposable? Owner { get; init; }

    /// <summary>
    /// Whether it claims another digest than this. One of another algorithm is none: docker-registry files sha512 under its sha256.
    /// </summary>
    public bool Contradicts(Digest digest) =>
        !DigestClaim.IsEmpty && DigestClaim.Algorithm == digest.Algorithm && DigestClaim != digest;

    public ValueTask DisposeAsync()
    {
        Owner?.Dispose();
        return ValueTask.CompletedTask;
    }
}
