using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Gateway.Transport;

/// <summary>A connection of a client, in the place of the server's own: <see cref="SocketInput"/> and <see cref="SocketOutput"/>.</summary>
internal sealed class SocketConnection : DefaultConnectionContext, IConnectionSocketFeature, IMemoryPoolFeature, IThreadChoice
{
    private const string Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

    private static long _lastId = DateTime.UtcNow.Ticks;

    private readonly CancellationTokenSource _closed = new();
    private readonly SocketInput _input;
    private readonly SocketOutput _output;
    private volatile bool _usesPool;
    private int _isClosed;
    private int _isTold;

    /// <param name="socket">The connection's, which ends with it.</param>
    public SocketConnection(Socket socket, MemoryPool<byte> pool)
        : base(string.Create(13, Interlocked.Increment(ref _lastId), Spell))
    {
        (Socket, MemoryPool) = (socket, pool);
        // sendfile(2) has no flag for it.
        socket.Blocking = false;
        (LocalEndPoint, RemoteEndPoint, ConnectionClosed) = (socket.LocalEndPoint, socket.RemoteEndPoint, _closed.Token);
        _input = new(socket, pool, TellOfEnd);
        _output = new(socket, Abort);
        Transport = new Duplex(_input, _output);
        Features.Set<IConnectionSocketFeature>(this);
        Features.Set<IMemoryPoolFeature>(this);
        Features.Set<IThreadChoice>(this);
        Features.Set(_output);
        SocketEvents.OfProcess.Register(this, socket.SafeHandle);
    }

    public Socket Socket { get; }

    public MemoryPool<byte> MemoryPool { get; }

    public bool UsesPool { get => _usesPool; set => _usesPool = value; }

    /// <summary>What <see cref="SocketEvents"/> knows the connection by.</summary>
    public ulong Key { get; set; }

    /// <summary>Events of the socket, as the kernel names them. What waits for them goes on within this call.</summary>
    public void Tell(uint events)
    {
        if ((events & (SocketEvents.Error | SocketEvents.HangUp)) != 0)
        {
            _input.IsLast = true;
            TellOfEnd();
        }
        else if ((events & SocketEvents.ReadHangUp) != 0)
        {
            _input.IsLast = true;
            // A request that is answered meanwhile ends, as with the server's own transport; bytes before the end are read first.
            if (_input.IsAtEnd) TellOfEnd();
        }
        var mayRead = (events & ~SocketEvents.Out) != 0;
        // What waits for room can be a whole body: it does not hold what waits for bytes.
        if ((events & ~(SocketEvents.In | SocketEvents.ReadHangUp)) != 0) _output.Writable.Signal(onPool: mayRead || _usesPool);
        if (mayRead) _input.Readable.Signal(_usesPool);
    }

    public override void Abort(ConnectionAbortedException abortReason) => Close(isAbortive: true);

    /// <summary>Ends the connection at once: what the client has not received is lost.</summary>
    public override void Abort() => Close(isAbortive: true);

    public override ValueTask DisposeAsync()
    {
        _input.Complete();
        _output.Complete();
        Close(isAbortive: false);
        return base.DisposeAsync();
    }

    // As the server's own transport closes: after what was sent, or with a reset.
    private void Close(bool isAbortive)
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0) return;
        SocketEvents.OfProcess.Forget(this);
        try
        {
            if (isAbortive) Socket.Close(0);
            else EndGracefully();
        }
        catch (SocketException)
        {
            // The client was faster.
        }
        Socket.Dispose();
        // What waits tries again, and finds the socket closed.
        _input.Readable.Signal(onPool: true);
        _output.Writable.Signal(onPool: true);
        TellOfEnd();
    }

    private void EndGracefully()
    {
        Socket.Shutdown(SocketShutdown.Send);
        _input.Discard();
    }

    // On a thread of the pool, because what is told may do anything.
    private void TellOfEnd()
    {
        if (Interlocked.Exchange(ref _isTold, 1) == 0) ThreadPool.UnsafeQueueUserWorkItem(Cancel, _closed, preferLocal: false);
    }

    private static void Cancel(CancellationTokenSource closed)
    {
        try
        {
            closed.Cancel();
        }
        catch (AggregateException)
        {
            // What is told failed; the others were told. Without this the process would end.
        }
    }

    // As the server names its own connections: five bits a digit.
    private static void Spell(Span<char> name, long id)
    {
        for (var i = 0; i < name.Length; i++) name[i] = Digits[(int)(id >> (60 - (5 * i))) & 31];
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
