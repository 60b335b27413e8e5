using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Gateway.BlackBox.Rig;

/// <summary>A TCP proxy on loopback that cuts, refuses, swallows or delays what passes, as a test says.</summary>
internal sealed class FaultyProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Socket, bool> _open = new();
    private readonly CancellationTokenSource _end = new();
    private readonly int _target;
    private long _returned;
    private readonly Task _accepting;

    /// <param name="target">The loopback port to which it connects.</param>
    public FaultyProxy(int target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Bytes that the target has sent back.</summary>
    public long Returned => Volatile.Read(ref _returned);

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Whether new connections are closed at once.</summary>
    public bool Refuses { get; set; }

    /// <summary>Whether bytes are read and not passed on, so that connections stay open and silent.</summary>
    public bool Swallows { get; set; }

    /// <summary>How long each piece waits before it is passed on.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Resets every open connection.</summary>
    public void Cut()
    {
        foreach (var socket in _open.Keys)
        {
            try
            {
                socket.LingerState = new(true, 0);
            }
            catch (Exception e) when (e is ObjectDisposedException or SocketException)
            {
                // It has ended by itself.
            }
            socket.Dispose();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        Cut();
        await _accepting;
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new ConcurrentBag<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_end.Token);
                if (Refuses) client.Dispose();
                else serving.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using (client)
        {
            _open[client] = _open[server] = true;
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _target, _end.Token);
                await Task.WhenAny(PassAsync(client, server), PassAsync(server, client, isReturned: true));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // The one end refuses, so the other end is closed.
            }
            _open.TryRemove(client, out _);
            _open.TryRemove(server, out _);
        }
    }

    private async Task PassAsync(Socket from, Socket to, bool isReturned = false)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _end.Token) is var read and > 0)
            {
                if (isReturned) Interlocked.Add(ref _returned, read);
                if (Delay > TimeSpan.Zero) await Task.Delay(Delay, _end.Token);
                if (Swallows) continue;
                for (var sent = 0; sent < read;) sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), _end.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Either end has closed, or the proxy was told to cut.
        }
    }
}
