using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>Hashes what it passes on.</summary>
/// <param name="next">Gets the bytes.</param>
/// <param name="length">
/// Bytes of the whole content, whose last one is held back until <see cref="ReleaseAsync"/>; negative to pass on all bytes at once.
/// </param>
internal sealed class CheckingWriter(IBodyWriter next, DigestAlgorithm algorithm, long length = -1) : IBodyWriter, IDisposable
{
    private readonly ContentHash _hash = new(algorithm);
    private long _position;
    private byte[] _last = [];

    /// <summary>The digest of all bytes so far.</summary>
    public Digest Found => Digest.FromHash(algorithm, _hash.GetCurrentHash());

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        Hash(bytes.Span);
        if (_position != length || bytes.IsEmpty) return next.WriteAsync(bytes, cancellationToken);
        _last = [bytes.Span[^1]];
        return next.WriteAsync(bytes[..^1], cancellationToken);
    }

    /// <summary>Hashes the first bytes of a file, which the reader has received already.</summary>
    public ValueTask HashSentAsync(SafeFileHandle file, long count, CancellationToken cancellationToken) => FilePieces.ReadAsync(
        file, 0, count,
        bytes =>
        {
            Hash(bytes.Span);
            return default;
        },
        cancellationToken);

    /// <summary>Passes on the last byte.</summary>
    public ValueTask ReleaseAsync(CancellationToken cancellationToken) => next.WriteAsync(_last, cancellationToken);

    private void Hash(ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        _position += bytes.Length;
    }

    public void Dispose() => _hash.Dispose();
}
