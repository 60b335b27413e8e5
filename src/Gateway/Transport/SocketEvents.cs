using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Gateway.Transport;

/// <summary>
/// Waits for events of the connections' sockets (epoll(7)), and goes on with what waited for them on the same thread. Several threads
/// wait at the same time, so that a request which blocks its thread holds no other; where all of them are blocked, others are added.
/// The runtime's own sockets hand each event to a thread of the pool: another wake-up for each request.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as the process.")]
internal sealed unsafe partial class SocketEvents
{
    // <sys/epoll.h> of Linux.
    public const uint In = 0x1;
    public const uint Out = 0x4;
    public const uint Error = 0x8;
    public const uint HangUp = 0x10;
    public const uint ReadHangUp = 0x2000;
    private const uint EdgeTriggered = 0x8000_0000;
    private const int CloseOnExec = 0x80000;
    private const int Add = 1;

    // Two more than cores: they work while others wait for the disk. The kernel wakes the one that began to wait last.
    private static readonly int Threads = Environment.ProcessorCount + 2;

    // Chosen: hardly noticed by a client, and longer than a request computes.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(25);

    // Chosen: more requests than a disk answers at a time, and fewer threads than a container with a limit of 512 allows.
    private const int MostExtra = 250;

    // Chosen: an added thread ends after this time without an event.
    private const int ExtraMilliseconds = 10_000;

    // struct epoll_event is packed on x86-64 only; elsewhere four bytes are between its two fields.
    private static readonly int KeyOffset = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;

    private static readonly Lazy<SocketEvents> Lazy = new(static () => new());

    private readonly Lock _changing = new();
    private readonly Timer _watch;
    private readonly int _epoll;

    // By descriptor.
    private SocketConnection?[] _connections = new SocketConnection?[256];
    private uint _registered;
    private int _waiting;
    private uint _taken;
    private uint _takenBefore;
    private int _isWatched;
    private int _extra;
    private int _more = 1;

    private SocketEvents()
    {
        _epoll = EpollCreate(CloseOnExec);
        if (_epoll < 0) throw new Win32Exception(Marshal.GetLastPInvokeError());
        _watch = new(static events => ((SocketEvents)events!).Watch(), this, Timeout.Infinite, Timeout.Infinite);
        for (var i = 0; i < Threads; i++) Start(isExtra: false);
    }

    /// <summary>Those of the process. The threads begin with the first listener.</summary>
    public static SocketEvents OfProcess => Lazy.Value;

    /// <summary>Tells a connection of its events from now on, and of those that are there already.</summary>
    /// <returns>The key to end it by.</returns>
    /// <exception cref="SocketException">The kernel has no room for another one.</exception>
    public ulong Register(SocketConnection connection, SafeSocketHandle socket)
    {
        var descriptor = (int)socket.DangerousGetHandle();
        ulong key;
        lock (_changing)
        {
            // A descriptor is used again by a later connection, which must not be told of this one's events.
            key = ((ulong)++_registered << 32) | (uint)descriptor;
            if (descriptor >= _connections.Length) Array.Resize(ref _connections, Math.Max(descriptor + 1, _connections.Length * 2));
            connection.Key = key;
            _connections[descriptor] = connection;
        }
        var wanted = stackalloc byte[16];
        *(uint*)wanted = In | Out | ReadHangUp | EdgeTriggered;
        *(ulong*)(wanted + KeyOffset) = key;
        if (EpollControl(_epoll, Add, descriptor, wanted) == 0) return key;
        var error = Marshal.GetLastPInvokeError();
        Forget(connection);
        throw new SocketException((int)SocketError.NoBufferSpaceAvailable, Marshal.GetPInvokeErrorMessage(error));
    }

    /// <summary>Ends a connection's events. Call it before its socket is closed, which the kernel takes as the end too.</summary>
    public void Forget(SocketConnection connection)
    {
        lock (_changing)
        {
            ref var place = ref _connections[(uint)connection.Key];
            if (place == connection) place = null;
        }
    }

    // A thread counts as waiting from here on: on a busy machine it begins late, and none is added in its place.
    private void Start(bool isExtra)
    {
        Interlocked.Increment(ref _waiting);
        new Thread(() => Work(isExtra)) { IsBackground = true, Name = "gateway sockets" }.UnsafeStart();
    }

    // Each time twice as many, so that a hundred requests that block at once hold others for a part of a second.
    private void StartMore()
    {
        for (var i = 0; i < _more && Volatile.Read(ref _extra) < MostExtra; i++)
        {
            Interlocked.Increment(ref _extra);
            try
            {
                Start(isExtra: true);
            }
            catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
            {
                // The system has no room for another thread: what waits is served when one is free.
                Interlocked.Decrement(ref _extra);
                Interlocked.Decrement(ref _waiting);
                return;
            }
        }
        _more = Math.Min(_more * 2, MostExtra);
    }

    private void Work(bool isExtra)
    {
        var taken = stackalloc byte[16];
        for (; ; Interlocked.Increment(ref _waiting))
        {
            var count = EpollWait(_epoll, taken, 1, isExtra ? ExtraMilliseconds : -1);
            if (Interlocked.Decrement(ref _waiting) == 0) WatchFromNowOn();
            if (count == 0 && isExtra) break;
            if (count <= 0) continue;
            Interlocked.Increment(ref _taken);
            var key = *(ulong*)(taken + KeyOffset);
            if (Volatile.Read(ref _connections)[(uint)key] is { } connection && connection.Key == key) connection.Tell(*(uint*)taken);
        }
        Interlocked.Decrement(ref _extra);
    }

    private void WatchFromNowOn()
    {
        if (Interlocked.Exchange(ref _isWatched, 1) == 0) _watch.Change(Patience, Timeout.InfiniteTimeSpan);
    }

    // Runs only while all threads work.
    private void Watch()
    {
        var taken = Volatile.Read(ref _taken);
        if (Volatile.Read(ref _waiting) == 0)
        {
            if (taken == _takenBefore) StartMore();
            _takenBefore = taken;
            _watch.Change(Patience, Timeout.InfiniteTimeSpan);
            return;
        }
        (_takenBefore, _more) = (taken - 1, 1);
        Interlocked.Exchange(ref _isWatched, 0);
        // The last thread that waited may have begun to work just before, and did not begin a watch because of this one.
        if (Volatile.Read(ref _waiting) == 0) WatchFromNowOn();
    }

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int EpollControl(int epoll, int operation, int descriptor, byte* wanted);

    [LibraryImport("libc", EntryPoint = "epoll_wait")]
    private static partial int EpollWait(int epoll, byte* taken, int most, int milliseconds);
}
