using System.Security.Cryptography;

namespace Gateway.Oci;

/// <summary>
/// The hash of content that arrives piece by piece. All of them count their bytes: each byte that arrives is hashed once, and no byte of a
/// warm pull is, which the tests of the work of a request compare and a metric shows.
/// </summary>
public sealed class ContentHash : IDisposable
{
    private static long _totalBytes;

    private readonly IncrementalHash _hash;

    /// <summary>Begins a hash of no bytes.</summary>
    public ContentHash(DigestAlgorithm algorithm) : this(IncrementalHash.CreateHash(Digest.HashName(algorithm)))
    {
    }

    private ContentHash(IncrementalHash hash) => _hash = hash;

    /// <summary>Bytes of content that this process has hashed, those of <see cref="Digest.Of"/> included.</summary>
    public static long TotalBytes => Interlocked.Read(ref _totalBytes);

    /// <summary>Adds the next bytes.</summary>
    public void AppendData(ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        Count(bytes.Length);
    }

    /// <inheritdoc cref="AppendData(ReadOnlySpan{byte})"/>
    public void AppendData(byte[] bytes, int offset, int count) => AppendData(bytes.AsSpan(offset, count));

    /// <summary>The hash so far; more bytes can follow.</summary>
    public byte[] GetCurrentHash() => _hash.GetCurrentHash();

    /// <summary>The hash so far; the next bytes begin a new one.</summary>
    public byte[] GetHashAndReset() => _hash.GetHashAndReset();

    /// <summary>Another hash of the same bytes so far.</summary>
    public ContentHash Clone() => new(_hash.Clone());

    /// <inheritdoc/>
    public void Dispose() => _hash.Dispose();

    // Pieces are of many KiB or whole documents, so the shared counter costs nothing beside the hash.
    internal static void Count(long bytes) => Interlocked.Add(ref _totalBytes, bytes);
}
