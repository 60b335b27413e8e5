using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;

namespace Gateway.Transport;

/// <summary>
/// The input of a connection. It receives when the server reads, on the thread that the event woke, and holds memory only for bytes that
/// the server has not consumed. What the server does not read waits in the kernel.
/// </summary>
/// <param name="socket">The connection's socket.</param>
/// <param name="pool">Where the memory comes from.</param>
/// <param name="ended">Called at the end of the client's bytes, or when the connection broke.</param>
internal sealed partial class SocketInput(Socket socket, MemoryPool<byte> pool, Action ended) : PipeReader
{
    // <sys/socket.h> and <errno.h> of Linux, the same on x86-64 and arm64.
    private const int MsgDontWait = 0x40;
    private const int MsgPeek = 0x2;
    private const int MsgTruncate = 0x20;
    private const int Again = 11;
    private const int Interrupted = 4;

    // As much as the server's own transport received ahead.
    private const int MostDiscarded = 1024 * 1024;

    // Half of the server's own blocks: less room than this is not worth a call.
    private const int SmallestRoom = 2048;

    private Segment? _first;
    private Segment? _last;
    private Segment? _spare;
    private int _start;
    private bool _hasUnexamined;
    private bool _mayHaveMore;
    private bool _isComplete;
    private int _isCanceled;
    private ConnectionResetException? _reset;

    /// <summary>Signaled when there may be something to receive.</summary>
    public Readiness Readable { get; } = new();

    /// <summary>Whether the client sent its last byte, or the connection broke: no further event will tell of what is there.</summary>
    public bool IsLast { get; set => Volatile.Write(ref field, value); }

    /// <summary>Whether the next thing to receive is the end.</summary>
    public unsafe bool IsAtEnd
    {
        get
        {
            byte next;
            return Receive(&next, 1, MsgPeek | MsgDontWait) == 0;
        }
    }

    /// <summary>
    /// Drops what was received and not read. The kernel resets a connection that is closed with such bytes, and drops the part of the last
    /// answer that it still holds.
    /// </summary>
    public unsafe void Discard()
    {
        nint count;
        for (nint discarded = 0; discarded < MostDiscarded; discarded += count)
        {
            count = Receive(null, MostDiscarded, MsgTruncate | MsgDontWait);
            if (count <= 0) return;
        }
    }

    public override bool TryRead(out ReadResult result)
    {
        var isCanceled = Interlocked.Exchange(ref _isCanceled, 0) != 0;
        if (!isCanceled && !_hasUnexamined && !_isComplete && (_mayHaveMore || IsLast)) Receive();
        if (isCanceled || _hasUnexamined || _isComplete)
        {
            result = new(Buffered, isCanceled, _isComplete);
            return true;
        }
        if (_reset is { } reset) throw reset;
        result = default;
        return false;
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
        TryRead(out var result) ? new(result) : WaitAsync(cancellationToken);

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        if (_last is null) return;
        _hasUnexamined = examined.GetObject() != _last || examined.GetInteger() != _last.Length;
        var (kept, start) = ((Segment)consumed.GetObject()!, consumed.GetInteger());
        while (start == kept.Length && kept.Following is { } following) (kept, start) = (following, 0);
        while (_first != kept) RemoveFirst();
        _start = start;
        if (start != _last.Length || kept != _last) return;
        RemoveFirst();
        _hasUnexamined = false;
    }

    public override void CancelPendingRead()
    {
        Volatile.Write(ref _isCanceled, 1);
        Readable.Signal(onPool: true);
    }

    public override void Complete(Exception? exception = null)
    {
        _isComplete = true;
        while (_first is not null) RemoveFirst();
        _hasUnexamined = false;
    }

    private ReadOnlySequence<byte> Buffered =>
        _first is null ? ReadOnlySequence<byte>.Empty : new(_first, _start, _last!, _last!.Length);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> WaitAsync(CancellationToken cancellationToken)
    {
        using var canceling = cancellationToken.UnsafeRegister(
            static readable => ((Readiness)readable!).Signal(onPool: true), Readable);
        while (true)
        {
            await Readable.WaitAsync();
            // The event is used up even if this wait was canceled: the next read must try.
            _mayHaveMore = true;
            cancellationToken.ThrowIfCancellationRequested();
            if (TryRead(out var result)) return result;
        }
    }

    private unsafe void Receive()
    {
        var isNew = _last is null || _last.Room < SmallestRoom;
        var segment = isNew ? NewSegment() : _last!;
        nint count;
        fixed (byte* to = segment.Free) count = Receive(to, (nuint)segment.Room, MsgDontWait);
        // A call that did not fill the memory took everything; what arrives later is another event.
        _mayHaveMore = count == segment.Room;
        if (count > 0)
        {
            if (isNew) Add(segment);
            segment.Grow((int)count);
            _hasUnexamined = true;
            return;
        }
        if (isNew) Release(segment);
        var error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (error == Again) return;
        if (error == Interrupted) _mayHaveMore = true;
        else if (error == 0) _isComplete = true;
        else _reset = new($"the connection broke: {Marshal.GetPInvokeErrorMessage(error)}");
        if (error != Interrupted) ended();
    }

    private unsafe nint Receive(byte* to, nuint count, int flags)
    {
        try
        {
            return Receive(socket.SafeHandle, to, count, flags);
        }
        catch (ObjectDisposedException)
        {
            // The server has given the connection up.
            return 0;
        }
    }

    private Segment NewSegment()
    {
        var segment = _spare ?? new();
        _spare = null;
        segment.Take(pool.Rent());
        return segment;
    }

    private void Add(Segment segment)
    {
        if (_last is null) (_first, _start) = (segment, 0);
        else _last.Append(segment);
        _last = segment;
    }

    private void RemoveFirst()
    {
        var removed = _first!;
        _first = removed.Following;
        if (_first is null) _last = null;
        Release(removed);
    }

    private void Release(Segment segment)
    {
        segment.Release();
        _spare = segment;
    }

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static unsafe partial nint Receive(SafeSocketHandle socket, byte* to, nuint count, int flags);

    /// <summary>One block of the pool and the bytes in it.</summary>
    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        private IMemoryOwner<byte>? _block;
        private Memory<byte> _whole;

        public int Length => Memory.Length;

        public int Room => _whole.Length - Length;

        public Span<byte> Free => _whole.Span[Length..];

        public Segment? Following => (Segment?)Next;

        public void Take(IMemoryOwner<byte> block) => (_block, _whole) = (block, block.Memory);

        public void Grow(int count) => Memory = _whole[..(Length + count)];

        public void Append(Segment segment)
        {
            segment.RunningIndex = RunningIndex + Length;
            Next = segment;
        }

        public void Release()
        {
            _block!.Dispose();
            (_block, _whole, Memory, Next, RunningIndex) = (null, default, default, null, 0);
        }
    }
}
