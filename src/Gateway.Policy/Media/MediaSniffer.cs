using System.Security.Cryptography;

namespace Gateway.Policy.Media;

/// <summary>
/// Determines what the bytes of a blob are: reads and decompresses all of them once, and ignores every label. Memory is bounded for any
/// input.
/// </summary>
/// <param name="unpackZstd">Decompresses zstd frames; the caller disposes the result if necessary.</param>
public sealed class MediaSniffer(Func<IByteSource, IByteSource> unpackZstd)
{
    /// <summary>Most decompressed bytes of one blob. Chosen: several times the largest known layers.</summary>
    public const long MaxUnpacked = 64L << 30;

    // The best ratio of deflate (zlib's technical notes: 1032 to 1). Legitimate zstd exceeds it only with content without use.
    private const int MaxRatio = 1032;

    // Below this size the ratio is not checked: a few bytes can legitimately stand for some MiB of zeros.
    private const long AnyRatio = 64 << 20;

    // RFC 1952 §2.3.1, with the only defined method.
    internal static ReadOnlySpan<byte> Gzip => [0x1F, 0x8B, 8];

    // RFC 8878 §3.1.1.
    private static ReadOnlySpan<byte> Zstd => [0x28, 0xB5, 0x2F, 0xFD];

    /// <summary>
    /// Reads everything. Throws what the source throws, except <see cref="InvalidDataException"/>, which becomes a flaw.
    /// </summary>
    /// <param name="unpackedBytes">Receives the decompressed bytes; an exception that it throws ends the reading.</param>
    public async ValueTask<Content> ReadAsync(IByteSource bytes, CancellationToken cancellationToken, Action<int>? unpackedBytes = null)
    {
        var packed = new ByteReader(bytes);
        var packing = PackingOf((await packed.PeekAsync(4, cancellationToken)).Span);
        var unpacked = packing switch
        {
            Packing.Gzip => new GzipSource(packed),
            Packing.Zstd => unpackZstd(packed),
            _ => packed,
        };
        using var _ = unpacked as IDisposable;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var form = new FormReader();
        var problem = await WalkAsync(packed, unpacked, hash, form, unpackedBytes, cancellationToken);
        form.Finish();
        if (problem is not null) return new(packing, form.Form, problem);
        var hidden = unpacked is GzipSource { Members: > 1 } && form.Form != ContentForm.Tar
            ? "in several gzip members, of which some readers see only the first"
            : null;
        return new(packing, form.Form, form.Flaw ?? hidden) { DiffId = Digest.FromHash(DigestAlgorithm.Sha256, hash.GetHashAndReset()) };
    }

    private static async ValueTask<string?> WalkAsync(
        ByteReader packed, IByteSource unpacked, IncrementalHash hash, FormReader form, Action<int>? unpackedBytes,
        CancellationToken cancellationToken)
    {
        var buffer = new byte[ByteReader.Capacity];
        long total = 0;
        try
        {
            while (await unpacked.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            {
                total += read;
                unpackedBytes?.Invoke(read);
                if (total > MaxUnpacked) return $"more than {MaxUnpacked >> 30} GiB once unpacked";
                if (total > AnyRatio && total / MaxRatio > packed.Position + ByteReader.Capacity)
                    return $"more than {MaxRatio} times as large once unpacked";
                hash.AppendData(buffer, 0, read);
                form.Write(buffer.AsSpan(0, read));
            }
            return null;
        }
        catch (InvalidDataException e)
        {
            return e.Message;
        }
    }

    private static Packing PackingOf(ReadOnlySpan<byte> head) =>
        head.StartsWith(Gzip) ? Packing.Gzip
        : head.StartsWith(Zstd) || IsSkippable(head) ? Packing.Zstd
        : Packing.None;

    // RFC 8878 §3.1.2: 184D2A50 to 184D2A5F, little-endian.
    private static bool IsSkippable(ReadOnlySpan<byte> head) => head is [>= 0x50 and <= 0x5F, 0x2A, 0x4D, 0x18, ..];
}
