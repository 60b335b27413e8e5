using Gateway.Oci;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>Hashes what it passes on.</summary>
/// <param name="next">Gets the bytes.</param>
/// <param name="length">
/// Bytes of the whole content, whose last one is held back until <see cref="ReleaseAsync"/>; negative to pass on all bytes at once.
/// </param>
internal sealed class CheckingWriter(IBodyWriter next, DigestAlgorithm algorithm, long length = -1) : IBodyWriter, IDisposable
{
    private const int BufferSize = 256 * 1024;

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

    public ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken) =>
        ReadAsync(file, offset, count, bytes => WriteAsync(bytes, cancellationToken), cancellationToken);

    /// <summary>Hashes the first bytes of a file, which the reader has received already.</summary>
    public ValueTask HashSentAsync(SafeFileHandle file, long count, CancellationToken cancellationToken) => ReadAsync(
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

    private static async ValueTask ReadAsync(
        SafeFileHandle file, long offset, long count, Func<ReadOnlyMemory<byte>, ValueTask> use, CancellationToken cancellationToken)
    {
        var buffer = new byte[(int)Math.Min(BufferSize, Math.Max(count, 1))];
        while (count > 0)
        {
            var wanted = buffer.AsMemory(0, (int)Math.Min(buffer.Length, count));
            var read = await RandomAccess.ReadAsync(file, wanted, offset, cancellationToken);
            if (read == 0) throw new EndOfStreamException($"a file ended {count} bytes early, at offset {offset}");
            await use(buffer.AsMemory(0, read));
            (offset, count) = (offset + read, count - read);
        }
    }

    public void Dispose() => _hash.Dispose();
}
