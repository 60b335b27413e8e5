using System.Diagnostics;
using System.IO.Pipelines;
using Gateway.Storage;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Transport;

/// <summary>
/// Writes a body into the server's output. Files are sent by the connection's output itself where that is possible, and are otherwise read
/// straight into the server's memory: nothing is allocated per answer.
/// </summary>
/// <param name="output">The response's body.</param>
/// <param name="files">The connection's output, where it can send files and this answer may be sent so; null otherwise.</param>
/// <param name="start">Writes the head of the answer, if it is not written yet; called before <paramref name="files"/> is used.</param>
internal sealed class PipeBodyWriter(PipeWriter output, IFileOutput? files = null, Func<CancellationToken, Task>? start = null)
    : IBodyWriter
{
    // 64 KiB: the smallest step at which Kestrel's pipe came within measurement noise of larger ones; also the most that is
    // read from a cold disk before the reader's flow control is asked again.
    private const int StepBytes = 64 * 1024;

    // A smaller file is copied: its bytes then leave in one send together with the head. Chosen between the 16 KiB of a config, where one
    // call fewer counts, and a MiB, where the copy does.
    private const int SmallestFile = 32 * 1024;

    // The server limits the time of each flush (Listening.ResponseRate). A reader that keeps up gets pieces of 1 MiB; one that took longer
    // than a second for the last piece gets 64 KiB, so that the slowest reader that is served is as slow as with copies.
    private const int LargestPiece = 1 << 20;
    private static readonly TimeSpan KeepsUp = TimeSpan.FromSeconds(1);

    private int _piece = StepBytes;

    /// <summary>Bytes handed to the transport so far.</summary>
    public long BytesWritten { get; private set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        ThrowIfGone(await output.WriteAsync(bytes, cancellationToken), cancellationToken);
        BytesWritten += bytes.Length;
    }

    public ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken) =>
        files is not null && count > SmallestFile
            ? SendAsync(files, file, offset, count, cancellationToken)
            : CopyAsync(file, offset, count, cancellationToken);

    private async ValueTask CopyAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
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

    private async ValueTask SendAsync(IFileOutput to, SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        if (start is not null) await start(cancellationToken);
        // The server refuses an Advance for which no memory was asked since the head was written.
        _ = output.GetMemory(1);
        to.BeginFile(file, offset);
        try
        {
            while (count > 0)
            {
                var piece = (int)Math.Min(_piece, count);
                var begun = Stopwatch.GetTimestamp();
                output.Advance(piece);
                ThrowIfGone(await output.FlushAsync(cancellationToken), cancellationToken);
                (count, BytesWritten) = (count - piece, BytesWritten + piece);
                _piece = Stopwatch.GetElapsedTime(begun) < KeepsUp ? LargestPiece : StepBytes;
            }
        }
        finally
        {
            to.EndFile();
        }
    }

    private static void ThrowIfGone(FlushResult result, CancellationToken cancellationToken)
    {
        if (result.IsCompleted || result.IsCanceled) throw new OperationCanceledException("the client has gone", cancellationToken);
    }
}
