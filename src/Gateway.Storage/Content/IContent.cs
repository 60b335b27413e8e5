namespace Gateway.Storage;

/// <summary>
/// Content by digest, opened for one reader. It stays readable until it is disposed of, even when it is removed in the meantime.
/// </summary>
public interface IContent : IAsyncDisposable
{
    /// <summary>The digest by which the content was requested.</summary>
    Digest Digest { get; }

    /// <summary>Length in bytes; null for a running fetch whose upstream has not sent the length.</summary>
    long? Length { get; }

    /// <summary>Whether every byte has been checked against the digest. False for an early range of a fetch under way.</summary>
    bool IsVerified { get; }

    /// <summary>
    /// Copies <paramref name="count"/> bytes from <paramref name="offset"/> (to the end when null). For a running fetch, it follows the
    /// growing content; the last byte is sent only after the digest is verified. Throws <see cref="IOException"/> when the content is wrong
    /// or cannot be completed; the caller must then abort the answer.
    /// </summary>
    ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken);
}
