using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// An upstream's response, with its headers read and its body unread. The caller must dispose it, even if it reads no body.
/// </summary>
public sealed class UpstreamResponse : IAsyncDisposable
{
    /// <summary>
    /// The final status, after tokens and redirects: 200, 206, 404, 416 and others; <see cref="IUpstreamRegistry.SendAsync"/> lists them.
    /// </summary>
    public int Status { get; init; }

    /// <summary>Content-Length in bytes (for HEAD: of the body that GET would return); null if not stated.</summary>
    public long? Length { get; init; }

    /// <summary>For 206: the first and last byte, and the whole length (null if <c>*</c>). Otherwise null.</summary>
    public (long First, long Last, long? Whole)? ContentRange { get; init; }

    /// <summary>The media type in lower case, without parameters; null if not stated.</summary>
    public string? ContentType { get; init; }

    /// <summary>
    /// Content-Encoding, in the order of the codings; empty for none. Body and length are not decoded; the digest tells whether the content
    /// is the expected one.
    /// </summary>
    public ImmutableArray<string> Codings { get; init; } = [];

    /// <summary>Docker-Content-Digest if it is a digest, otherwise empty. It is not verified.</summary>
    public Digest DigestClaim { get; init; }

    /// <summary>OCI-Subject: the subject for which the upstream lists the manifest; empty if not stated.</summary>
    internal Digest Subject { get; init; }

    /// <summary>The ETag as sent; null if not stated.</summary>
    public string? ETag { get; init; }

    /// <summary>The query of the target of <c>Link: rel="next"</c>; null on the last page.</summary>
    public string? NextQuery { get; init; }

    /// <summary>The endpoint that answered, before redirects.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>For an upload: the session after this response; null if there is none.</summary>
    internal UpstreamSession? Session { get; init; }

    /// <summary>For an upload: the number of bytes that the upstream has (<c>Range: 0-…</c>); null if not stated.</summary>
    internal long? Received { get; init; }

    /// <summary>The body; empty for HEAD and for writes.</summary>
    public Stream Body { get; init; } = Stream.Null;

    /// <summary>Disposed with this response; null for nothing.</summary>
    internal IDisposable? Owner { get; init; }

    /// <summary>
    /// Whether the response claims another digest than the given one. A claim with another algorithm does not count: docker-registry stores
    /// sha512 content under its sha256 digest.
    /// </summary>
    internal bool Contradicts(Digest digest) =>
        !DigestClaim.IsEmpty && DigestClaim.Algorithm == digest.Algorithm && DigestClaim != digest;

    /// <summary>Releases the connection; an unread body is discarded.</summary>
    public ValueTask DisposeAsync()
    {
        Owner?.Dispose();
        return ValueTask.CompletedTask;
    }
}
