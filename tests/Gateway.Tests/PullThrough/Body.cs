using System.Buffers;
using Gateway.Storage;
using Gateway.Transport;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Tests.PullThrough;

/// <summary>A client's end of a body: stores the received bytes, and may disconnect after a number of bytes.</summary>
internal sealed class Body(long hangsUpAfter = long.MaxValue, int capacity = 256) : IBodyWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new(capacity);

    /// <summary>Bytes received so far; safe to ask while the body is being written.</summary>
    public long Length { get; private set; }

    public ReadOnlySpan<byte> Bytes => _bytes.WrittenSpan;

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        _bytes.Write(bytes.Span);
        Length = _bytes.WrittenCount;
        return Length < hangsUpAfter ? ValueTask.CompletedTask : throw new ClientHungUpException();
    }

    public async ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        while (count > 0)
        {
            var read = await RandomAccess.ReadAsync(
                file, buffer.AsMemory(0, (int)Math.Min(buffer.Length, count)), offset, cancellationToken);
            if (read == 0) throw new EndOfStreamException($"expected {count} more bytes, got the end of the file at {offset}");
            await WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            (offset, count) = (offset + read, count - read);
        }
    }
}

/// <summary>The client has disconnected.</summary>
internal sealed class ClientHungUpException : Exception
{
}
