using System.IO.Pipelines;
using Gateway.Storage;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Transport;

/// <summary>
/// Writes a body into the server's own output pipe: files are read straight into its memory, so that nothing is allocated or copied per
/// answer.
/// </summary>
internal sealed class PipeBodyWriter(PipeWriter output) : IBodyWriter
{
    // 64 KiB: the smallest step at which Kestrel's pipe came within measurement noise of larger ones; also the most that is
    // read from a cold disk before the reader's flow control is asked again.
    private const int StepBytes = 64 * 1024;

    /// <summary>Bytes handed to the transport so far.</summary>
    public long BytesWritten { get; private set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        ThrowIfGone(await output.WriteAsync(bytes, cancellationToken), cancellationToken);
        BytesWritten += bytes.Length;
    }

    public async ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        while (count > 0)
        {
            var memory = output.GetMemory((int)Math.Min(StepBytes, count));
            var wanted = (int)Math.Min(memory.Length, count);
            var read = RandomAccess.Read(file, memory.Span[..wanted], offset);
            if (read == 0) throw new EndOfStreamException($"a file ended {count} bytes early, at offset {offset}");
            output.Advance(read);
            ThrowIfGone(await output.FlushAsync(cancellationToken), cancellationToken);
            (offset, count, BytesWritten) = (offset + read, count - read, BytesWritten + read);
        }
    }

    private static void ThrowIfGone(FlushResult result, CancellationToken cancellationToken)
    {
        if (result.IsCompleted || result.IsCanceled) throw new OperationCanceledException("the client has gone", cancellationToken);
    }
}
