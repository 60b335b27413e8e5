using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// Writes the body of one answer. Calls never overlap. A failed or canceled call leaves the answer incomplete, and the caller must then
/// abort it.
/// </summary>
public interface IBodyWriter
{
    /// <summary>Sends bytes from memory.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>
    /// Sends <paramref name="count"/> bytes of a file from <paramref name="offset"/>. Throws <see cref="EndOfStreamException"/> when the
    /// file is shorter.
    /// </summary>
    ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken) =>
        FilePieces.ReadAsync(file, offset, count, bytes => WriteAsync(bytes, cancellationToken), cancellationToken);
}
