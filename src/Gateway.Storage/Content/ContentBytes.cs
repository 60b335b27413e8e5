using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>Content read into memory: small content whole, any content in parts.</summary>
public static class ContentBytes
{
    /// <summary>Reads content into memory; null when it has more than <paramref name="most"/> bytes.</summary>
    public static async ValueTask<byte[]?> ReadAsync(this IContent content, int most, CancellationToken cancellationToken)
    {
        if (content.Length > most) return null;
        var writer = new Writer(most);
        await content.CopyToAsync(writer, 0, null, cancellationToken);
        return writer.Bytes;
    }

    /// <summary>
    /// Fills a buffer with the bytes from an offset, all of which must be within the content. Throws <see cref="IOException"/> as <see
    /// cref="IContent.CopyToAsync"/> does.
    /// </summary>
    public static async ValueTask ReadAtAsync(this IContent content, Memory<byte> buffer, long offset, CancellationToken cancellationToken)
    {
        var filling = new Filling(buffer);
        await content.CopyToAsync(filling, offset, buffer.Length, cancellationToken);
        if (filling.Missing > 0) throw new EndOfStreamException($"{content.Digest} ended {filling.Missing} bytes early");
    }

    private sealed class Filling(Memory<byte> buffer) : IBodyWriter
    {
        private Memory<byte> _rest = buffer;

        public int Missing => _rest.Length;

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            bytes.CopyTo(_rest);
            _rest = _rest[bytes.Length..];
            return ValueTask.CompletedTask;
        }

        public async ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
        {
            for (var end = offset + count; offset < end;)
            {
                var read = await RandomAccess.ReadAsync(file, _rest[..(int)(end - offset)], offset, cancellationToken);
                if (read == 0) throw new EndOfStreamException($"a file ended {end - offset} bytes early, at offset {offset}");
                _rest = _rest[read..];
                offset += read;
            }
        }
    }

    private sealed class Writer(int most) : IBodyWriter
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();
        private bool _isTooLong;

        public byte[]? Bytes => _isTooLong ? null : _bytes.WrittenSpan.ToArray();

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            // Content that exceeds the limit is read to its end, and not stored in memory.
            _isTooLong |= _bytes.WrittenCount + (long)bytes.Length > most;
            if (!_isTooLong) _bytes.Write(bytes.Span);
            return ValueTask.CompletedTask;
        }
    }
}
