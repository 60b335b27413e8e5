using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Transport;

/// <summary>
/// The output of a connection: of a cleartext HTTP/1.1 one, or below TLS. It sends on the socket itself, without the server's pipe and the
/// thread behind it. In cleartext it sends files by sendfile(2), so that their bytes are never copied into this process. A flush returns
/// when the kernel has all bytes; between answers an idle connection holds no buffer.
/// </summary>
/// <param name="socket">The connection's socket; the server goes on reading from it and closes it.</param>
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

    // While the socket has no room, this many bytes are copied and sent by the runtime, which then waits for room. It happens once for each
    // filled socket buffer (up to 4 MiB, tcp_wmem), so their copy costs little.
    private const int CopiedBytes = 16 * 1024;

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

    /// <summary>
    /// Gives a connection this output: a connection middleware for listeners that speak cleartext HTTP/1.1 and nothing else, or TLS.
    /// </summary>
    /// <param name="next">The next middleware; the one that speaks TLS must follow.</param>
    /// <param name="sendsFiles">Whether answers may send files by it. Never below TLS: they would leave in cleartext.</param>
    public static ConnectionDelegate Use(ConnectionDelegate next, bool sendsFiles) => connection =>
    {
        if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket)
        {
            var output = new SocketOutput(socket, connection.Abort);
            connection.Transport = new Duplex(connection.Transport.Input, output);
            if (sendsFiles) connection.Features.Set<IFileOutput>(output);
        }
        return next(connection);
    };

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
        var sent = _length > 0 ? TrySend() : 0;
        if (sent < _length || _pending > 0) return FinishAsync(sent, cancellationToken);
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

    // How many bytes the kernel took; 0 where it has no room, or where the runtime's own send is to find out what is wrong.
    private unsafe int TrySend()
    {
        try
        {
            fixed (byte* from = _buffer)
            {
                var flags = MsgDontWait | MsgNoSignal | (_pending > 0 ? MsgMore : 0);
                return Math.Max(0, (int)Send(socket.SafeHandle, from, (nuint)_length, flags));
            }
        }
        catch (ObjectDisposedException)
        {
            // The server has given the connection up; nothing else may be sent, and the flush finds out in the same way.
            return 0;
        }
    }

    private async ValueTask<FlushResult> FinishAsync(int sent, CancellationToken cancellationToken)
    {
        try
        {
            while (sent < _length)
                sent += await socket.SendAsync(_buffer.AsMemory(sent, _length - sent), SocketFlags.None, cancellationToken);
            while (_pending > 0) await SendFileAsync(cancellationToken);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            _isGone = true;
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
            End();
            if (_isGone) abort();
        }
        return new(isCanceled: false, isCompleted: _isGone);
    }

    // Sends until all is sent or the socket is full; then returns after a copied piece found room.
    private ValueTask SendFileAsync(CancellationToken cancellationToken)
    {
        while (_pending > 0)
        {
            var sent = SendFile(socket.SafeHandle, _file!, ref _offset, (nuint)_pending);
            if (sent > 0)
            {
                _pending -= sent;
                continue;
            }
            if (sent == 0) throw Ended();
            var error = Marshal.GetLastPInvokeError();
            if (error == Again) return SendCopyAsync(cancellationToken);
            if (error == Interrupted) continue;
            // A broken connection is told by the runtime's send as what it is; a file that cannot be read is told by the read.
            return SendCopyAsync(cancellationToken);
        }
        return default;
    }

    private async ValueTask SendCopyAsync(CancellationToken cancellationToken)
    {
        var copy = ArrayPool<byte>.Shared.Rent(CopiedBytes);
        try
        {
            var read = RandomAccess.Read(_file!, copy.AsSpan(0, (int)Math.Min(CopiedBytes, _pending)), _offset);
            if (read == 0) throw Ended();
            var sent = await socket.SendAsync(copy.AsMemory(0, read), SocketFlags.None, cancellationToken);
            (_offset, _pending) = (_offset + sent, _pending - sent);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    private EndOfStreamException Ended() => new($"a file ended {_pending} bytes early, at offset {_offset}");

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static unsafe partial nint Send(SafeSocketHandle socket, byte* from, nuint count, int flags);

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeSocketHandle to, SafeFileHandle from, ref long offset, nuint count);

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
