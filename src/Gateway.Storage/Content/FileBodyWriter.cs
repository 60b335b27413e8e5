using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>Writes content to a file of the volume, from its start.</summary>
internal sealed class FileBodyWriter(SafeFileHandle file) : IBodyWriter
{
    private const int BufferSize = 256 * 1024;

    private long _length;

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await RandomAccess.WriteAsync(file, bytes, _length, cancellationToken);
        _length += bytes.Length;
    }

    public async ValueTask SendFileAsync(SafeFileHandle from, long offset, long count, CancellationToken cancellationToken)
    {
        var buffer = new byte[(int)Math.Min(BufferSize, count)];
        while (count > 0)
        {
            var piece = buffer.AsMemory(0, (int)Math.Min(buffer.Length, count));
            var read = await RandomAccess.ReadAsync(from, piece, offset, cancellationToken);
            if (read == 0) throw new EndOfStreamException($"a file ended {count} bytes early, at offset {offset}");
            await WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            (offset, count) = (offset + read, count - read);
        }
    }
}
