using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage.Tests;

/// <summary>A body that is written into memory.</summary>
internal sealed class MemoryBodyWriter : IBodyWriter
{
    private readonly List<byte> _written = [];

    public byte[] ToArray() => [.. _written];

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        _written.AddRange(bytes.Span);
        return ValueTask.CompletedTask;
    }

    public async ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = await RandomAccess.ReadAsync(file, bytes.AsMemory(at), offset + at, cancellationToken);
            if (read == 0) throw new EndOfStreamException();
            at += read;
        }
        _written.AddRange(bytes);
    }
}
