using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>Writes content to a file of the volume, from its start.</summary>
internal sealed class FileBodyWriter(SafeFileHandle file) : IBodyWriter
{
    private long _length;

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await RandomAccess.WriteAsync(file, bytes, _length, cancellationToken);
        _length += bytes.Length;
    }
}
