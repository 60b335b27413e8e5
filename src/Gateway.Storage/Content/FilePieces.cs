using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>Reads a part of a file in pieces.</summary>
internal static class FilePieces
{
    // Bytes of a piece, as in fetches.
    private const int Size = 256 * 1024;

    /// <summary>
    /// Passes <paramref name="count"/> bytes from <paramref name="offset"/> to <paramref name="use"/>, in order. Throws
    /// <see cref="EndOfStreamException"/> when the file is shorter.
    /// </summary>
    public static async ValueTask ReadAsync(
        SafeFileHandle file, long offset, long count, Func<ReadOnlyMemory<byte>, ValueTask> use, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(Size, Math.Max(count, 1)));
        try
        {
            while (count > 0)
            {
                var wanted = buffer.AsMemory(0, (int)Math.Min(buffer.Length, count));
                var read = await RandomAccess.ReadAsync(file, wanted, offset, cancellationToken);
                if (read == 0) throw new EndOfStreamException($"a file ended {count} bytes early, at offset {offset}");
                await use(buffer.AsMemory(0, read));
                (offset, count) = (offset + read, count - read);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
