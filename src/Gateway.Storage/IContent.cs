using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Some content by digest, opened for one reader. Disposing gives back what it holds; it stays readable until then, also when it is removed
/// meanwhile.
/// </summary>
public interface IContent : IAsyncDisposable
{
    /// <summary>The digest by which the content was asked for.</summary>
    Digest Digest { get; }

    /// <summary>Length in bytes; null while an upstream has not said and the end is not reached.</summary>
    long? Length { get; }

    /// <summary>Whether every byte has been checked against the digest. False for an early range of a fetch under way.</summary>
    bool IsVerified { get; }

    /// <summary>
    /// Copies <paramref name="count"/> bytes from <paramref name="offset"/> (to the end when null). Of a fetch under way it follows the
    /// growing content; the last byte comes only after the digest matched. Throws <see cref="IOException"/> when the content turns out
    /// wrong or cannot be completed: the answer must be aborted then.
    /// </summary>
    ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken);
}
