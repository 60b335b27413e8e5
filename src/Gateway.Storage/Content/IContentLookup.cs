namespace Gateway.Storage;

/// <summary>Finds the bytes of content by digest, in whichever repository. It does not decide which callers may see them.</summary>
public interface IContentLookup
{
    /// <summary>The length in bytes of content whose bytes are stored whole; null when they are not.</summary>
    /// <param name="size">The number of bytes that the content must have; negative when unknown.</param>
    ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken);

    /// <summary>Opens content for one reader; null when its bytes are not stored whole.</summary>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    ValueTask<IContent?> OpenAsync(Digest digest, long size, CancellationToken cancellationToken);
}
