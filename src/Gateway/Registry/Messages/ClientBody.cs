using System.Buffers;
using System.IO.Pipelines;
using Gateway.Storage;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// The body of an upload. It fails when the client sends nothing for an idle time. Clients compress while they send, and pause
/// for that long. The server's own limit is an average: it would end a sender that begins late, and never one that stops late.
/// </summary>
/// <remarks>
/// A pending read is ended through the reader and never by a token: after a token the server takes the body for one that is still being
/// read, and logs a failure when it drains the rest (Kestrel 10.0.12).
/// </remarks>
internal sealed class ClientBody : ReadOnlyStream
{
    private readonly PipeReader _reader;
    private readonly TimeSpan _idle;
    private readonly ITimer _silence;
    private CancellationTokenRegistration _asked;
    private CancellationToken _asking;
    private volatile bool _isSilent;

    public ClientBody(PipeReader reader, TimeSpan idle, TimeProvider clock)
    {
        (_reader, _idle) = (reader, idle);
        _silence = clock.CreateTimer(
            static body => ((ClientBody)body!).GiveUp(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Reads what was received. Throws <see cref="BadHttpRequestException"/> (408) if nothing was received for too long.</summary>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Follow(cancellationToken);
        while (true)
        {
            var result = await ReadAsync();
            if (result.IsCanceled)
            {
                _reader.AdvanceTo(result.Buffer.Start);
                cancellationToken.ThrowIfCancellationRequested();
                if (!_isSilent) continue;
                throw new BadHttpRequestException(
                    $"expected the rest of the body, got nothing for {_idle.TotalSeconds:0.###} s (limits.uploadPause); go on from there",
                    Status408RequestTimeout);
            }
            if (result.Buffer.IsEmpty && !result.IsCompleted)
            {
                _reader.AdvanceTo(result.Buffer.End);
                continue;
            }
            var count = (int)Math.Min(buffer.Length, result.Buffer.Length);
            var taken = result.Buffer.Slice(0, count);
            taken.CopyTo(buffer.Span);
            _reader.AdvanceTo(taken.End);
            return count;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _asked.Dispose();
            _silence.Dispose();
        }
        base.Dispose(disposing);
    }

    private async ValueTask<ReadResult> ReadAsync()
    {
        var reading = _reader.ReadAsync(CancellationToken.None);
        if (reading.IsCompleted) return await reading;
        _silence.Change(_idle, Timeout.InfiniteTimeSpan);
        try
        {
            return await reading;
        }
        finally
        {
            _silence.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void GiveUp()
    {
        _isSilent = true;
        _reader.CancelPendingRead();
    }

    // One body is read with one token throughout, so that nothing is allocated for each read.
    private void Follow(CancellationToken cancellationToken)
    {
        if (cancellationToken == _asking) return;
        _asked.Dispose();
        _asking = cancellationToken;
        _asked = cancellationToken.UnsafeRegister(static reader => ((PipeReader)reader!).CancelPendingRead(), _reader);
    }
}
