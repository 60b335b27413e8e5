using Microsoft.Win32.SafeHandles;

namespace Gateway.Transport;

/// <summary>
/// An output that can send a file by itself. Between the two calls, the bytes that a writer advances over are the file's, without a
/// copy. Use it only where the body is sent as it is: HTTP/1.1 with a known length, without TLS.
/// </summary>
internal interface IFileOutput
{
    /// <summary>
    /// From the next <c>Advance</c> on, bytes are the file's, from <paramref name="offset"/>. Bytes written earlier go first.
    /// </summary>
    void BeginFile(SafeFileHandle file, long offset);

    /// <summary>Bytes are the writer's own again.</summary>
    /// <exception cref="IOException">
    /// The file was shorter than what was advanced over (<see cref="EndOfStreamException"/>), or could not be read. The caller must abort
    /// the answer.
    /// </exception>
    void EndFile();
}
