using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// Where a body goes. One writer serves one answer; calls never overlap. A failed or cancelled call leaves the answer unfinished, and it
/// must then be aborted.
/// </summary>
public interface IBodyWriter
{
    /// <summary>Sends bytes from memory.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>
    /// Sends <paramref name="count"/> bytes of a file from <paramref name="offset"/>. Throws <see cref="EndOfStreamException"/> when the
    /// file is shorter.
    /// </summary>
    ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken);
}
