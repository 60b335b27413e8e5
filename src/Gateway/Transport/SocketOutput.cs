using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Transport;

/// <summary>
/// The output of a connection. It sends on the socket itself, without the server's pipe and the thread behind it. In cleartext HTTP/1.1
/// it sends files by sendfile(2), so that their bytes are never copied into this process. A flush returns when the kernel has all bytes;
/// between answers an idle connection holds no buffer.
/// </summary>
/// <param name="socket">The connection's socket, which does not block.</param>
/// <param name="abort">Ends the connection after a send that failed, so that the request ends too.</param>
internal sealed partial class SocketOutput(Socket socket, Action abort) : PipeWriter, IFileOutput
{
    // <sys/socket.h> and <errno.h> of Linux, the same on x86-64 and arm64.
    private const int MsgDontWait = 0x40;
    private const int MsgMore = 0x8000;
    private const int MsgNoSignal = 0x4000;
    private const int Again = 11;
    private const int Interrupted = 4;

    // A head and a small manifest. The array pool's buckets are powers of two.
    private const int SmallestBuffer = 4096;

    // Bits of _state.
    private const int Flushing = 1;
    private const int Completed = 2;

    private int _state;
    private byte[]? _buffer;
    private int _length;
    private SafeFileHandle? _file;
    private long _offset;
    private long _pending;
    private IOException? _fileProblem;
    private volatile bool _isGone;

    /// <summary>Signaled when the socket may have room again.</summary>
    public Readiness Writable { get; } = new();

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _length + _pending;

    public void BeginFile(SafeFileHandle file, long offset) => (_file, _offset, _pending, _fileProblem) = (file, offset, 0, null);

    public void EndFile()
    {
        (_file, _pending) = (null, 0);
        if (_fileProblem is { } problem) throw problem;
    }

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        var wanted = _length + Math.Max(sizeHint, 1);
        if (_buffer is null)
        {
            _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(wanted, SmallestBuffer));
        }
        else if (_buffer.Length < wanted)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(wanted, _buffer.Length * 2));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
        return _buffer.AsMemory(_length);
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        if (_file is not null) _pending += bytes;
        else _length += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (!TryBegin()) return new(new FlushResult(isCanceled: false, isCompleted: true));
        if (_isGone)
        {
            // A writer that ignores the result goes on writing: what it writes is dropped here, so that the buffer never grows.
            _pending = 0;
            End();
            return new(new FlushResult(isCanceled: false, isCompleted: true));
        }
        var sent = _length > 0 ? Math.Max(0, (int)TrySend(_buffer.AsSpan(0, _length))) : 0;
        if (_isGone || sent < _length || _pending > 0) return FinishAsync(sent, cancellationToken);
        End();
        return new(new FlushResult(isCanceled: false, isCompleted: false));
    }

    /// <summary>Sends bytes without a copy of them where the socket has room, as for the records of TLS.</summary>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        if (_length > 0 || _file is not null || _isGone || !TryBegin()) return base.WriteAsync(source, cancellationToken);
        var sent = Math.Max(0, (int)TrySend(source.Span));
        if (sent < source.Length)
        {
            source[sent..].CopyTo(GetMemory(source.Length - sent));
            _length = source.Length - sent;
            return FinishAsync(0, cancellationToken);
        }
        End();
        return new(new FlushResult(isCanceled: false, isCompleted: false));
    }

    /// <summary>Does nothing: the server cancels a flush only where it also closes the connection, which ends the flush.</summary>
    public override void CancelPendingFlush()
    {
    }

    /// <summary>
    /// Ends the output. The server may call this while a flush is under way, when it gives a connection up: the flush then returns the
    /// buffer, because the kernel may still read from it.
    /// </summary>
    public override void Complete(Exception? exception = null)
    {
        _isGone = true;
        Writable.Signal(onPool: true);
        if ((Interlocked.Or(ref _state, Completed) & (Flushing | Completed)) == 0) ReturnBuffer();
    }

    private bool TryBegin()
    {
        if ((Interlocked.Or(ref _state, Flushing) & Completed) == 0) return true;
        Interlocked.And(ref _state, ~Flushing);
        return false;
    }

    private void End()
    {
        ReturnBuffer();
        Interlocked.And(ref _state, ~Flushing);
    }

    private void ReturnBuffer()
    {
        if (_buffer is { } buffer) ArrayPool<byte>.Shared.Return(buffer);
        (_buffer, _length) = (null, 0);
    }

    // Sends what is written, then what is advanced over of the file, and waits for room where the socket has none.
    private async ValueTask<FlushResult> FinishAsync(int sent, CancellationToken cancellationToken)
    {
        try
        {
            using var canceling = cancellationToken.UnsafeRegister(
                static writable => ((Readiness)writable!).Signal(onPool: true), Writable);
            while (!_isGone && (sent < _length || _pending > 0))
            {
                var count = sent < _length ? TrySend(_buffer.AsSpan(sent, _length - sent)) : TrySendFile();
                if (count < 0)
                {
                    await Writable.WaitAsync();
                    cancellationToken.ThrowIfCancellationRequested();
                }
                else if (sent < _length) sent += (int)count;
                else _pending -= count;
            }
        }
        catch (IOException e)
        {
            // Fewer bytes were sent than the head announced: nothing may follow them.
            (_fileProblem, _isGone) = (e, true);
        }
        catch (OperationCanceledException)
        {
            _isGone = true;
            throw;
        }
        finally
        {
            if (_isGone) _pending = 0;
            End();
            if (_isGone) abort();
        }
        return new(isCanceled: false, isCompleted: _isGone);
    }

    // How many bytes the kernel took; -1 where it has no room. A connection that broke is gone, and its bytes with it.
    private unsafe nint TrySend(ReadOnlySpan<byte> bytes)
    {
        try
        {
            fixed (byte* from = bytes)
            {
                var flags = MsgDontWait | MsgNoSignal | (_pending > 0 ? MsgMore : 0);
                var count = Send(socket.SafeHandle, from, (nuint)bytes.Length, flags);
                return count >= 0 ? count : Explain(Marshal.GetLastPInvokeError());
            }
        }
        catch (ObjectDisposedException)
        {
            return Gone();
        }
    }

    private nint TrySendFile()
    {
        try
        {
            var count = SendFile(socket.SafeHandle, _file!, ref _offset, (nuint)_pending);
            if (count == 0) throw Ended();
            if (count > 0) return count;
            var error = Marshal.GetLastPInvokeError();
            // A file that cannot be read is told by a read.
            if (error is not (Again or Interrupted)) _ = RandomAccess.Read(_file!, new byte[1], _offset);
            return Explain(error);
        }
        catch (ObjectDisposedException)
        {
            return Gone();
        }
    }

    private nint Explain(int error) => error switch { Again => -1, Interrupted => 0, _ => Gone() };

    private nint Gone()
    {
        _isGone = true;
        return 0;
    }

    private EndOfStreamException Ended() => new($"a file ended {_pending} bytes early, at offset {_offset}");

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static unsafe partial nint Send(SafeSocketHandle socket, byte* from, nuint count, int flags);

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeSocketHandle to, SafeFileHandle from, ref long offset, nuint count);
}
