using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>Finds the bytes of content by digest, in whichever repository. It does not decide which callers may see them.</summary>
public interface IContentLookup
{
    /// <summary>The length in bytes of content whose bytes are stored whole; null when they are not.</summary>
    /// <param name="size">The number of bytes that the content must have; negative when unknown.</param>
    ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken);
}
