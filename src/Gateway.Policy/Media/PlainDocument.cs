using System.Buffers;
using System.Text.Unicode;

namespace Gateway.Policy.Media;

/// <summary>The kind of plain document that a blob is.</summary>
public enum DocumentForm
{
    /// <summary>Not a plain document: an archive, or anything other.</summary>
    None,

    /// <summary>Text in UTF-8: JSON, XML, SPDX's tag-value form.</summary>
    Text,

    /// <summary>A COSE signature, which is binary (RFC 9052).</summary>
    Cose,
}

/// <summary>
/// Whether a blob is a plain document: bytes that no client can unpack as a file system, whatever their media type, from whatever position
/// a client starts to read. Every archive, compressed stream and file-system image has bytes that text never has, at its start and at the
/// start of each of its parts (clients read zstd:chunked and eStargz layers from the middle).
/// </summary>
public static class PlainDocument
{
    // COSE_Sign1 with its tag (RFC 9052 §4.2), as Notation writes it: tag 18, an array of four.
    private static ReadOnlySpan<byte> CoseSign1 => [0xD2, 0x84];

    // bzip2 is the only compression format that starts with text.
    private static ReadOnlySpan<byte> Bzip2 => "BZh"u8;

    // All control characters except tab, line feed, vertical tab, form feed and carriage return, which documents contain.
    private static readonly SearchValues<byte> Controls = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Where(static value => value is < 9 or > 13).Select(static value => (byte)value)]);

    /// <summary>
    /// Reads a blob to its end, or to the first byte that no plain document contains. Memory is bounded for any input. Throws what the
    /// source throws.
    /// </summary>
    public static async ValueTask<DocumentForm> ReadAsync(IByteSource bytes, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ByteReader.Capacity);
        try
        {
            var head = await FillAsync(bytes, buffer, 0, cancellationToken);
            if (head == 0 || TarWalk.IsHeader(buffer.AsSpan(0, Math.Min(head, TarWalk.BlockLength)))) return DocumentForm.None;
            if (buffer.AsSpan(0, head).StartsWith(CoseSign1)) return DocumentForm.Cose;
            if (buffer.AsSpan(0, head).StartsWith(Bzip2)) return DocumentForm.None;
            for (var filled = head; filled > 0;)
            {
                // A character can continue in the next part, but not after the end of the blob.
                var isLast = filled < buffer.Length;
                var whole = isLast ? filled : filled - Unfinished(buffer.AsSpan(0, filled));
                if (buffer.AsSpan(0, whole).ContainsAny(Controls) || !Utf8.IsValid(buffer.AsSpan(0, whole))) return DocumentForm.None;
                if (isLast) break;
                buffer.AsSpan(whole, filled - whole).CopyTo(buffer);
                filled = await FillAsync(bytes, buffer, filled - whole, cancellationToken);
            }
            return DocumentForm.Text;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // Reads until the buffer is full or the blob ends.
    private static async ValueTask<int> FillAsync(IByteSource bytes, byte[] buffer, int filled, CancellationToken cancellationToken)
    {
        while (filled < buffer.Length && await bytes.ReadAsync(buffer.AsMemory(filled), cancellationToken) is > 0 and var read)
            filled += read;
        return filled;
    }

    // The number of bytes at the end that start an incomplete character of UTF-8 (RFC 3629 §3); zero when there is none.
    private static int Unfinished(ReadOnlySpan<byte> bytes)
    {
        for (var back = 1; back <= 3; back++)
        {
            var value = bytes[^back];
            if ((value & 0xC0) == 0x80) continue;
            var length = value switch { >= 0xF0 => 4, >= 0xE0 => 3, >= 0xC0 => 2, _ => 1 };
            return length > back ? back : 0;
        }
        return 0;
    }
}
