using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>An https proxy that records the requested hosts, and forwards nothing.</summary>
internal sealed class DeadEnd : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentQueue<string> _wanted = new();

    public DeadEnd()
    {
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Url => $"http://{_listener.LocalEndpoint}";

    /// <summary>Hosts and ports of the <c>CONNECT</c> requests.</summary>
    public string[] Wanted => [.. _wanted];

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync();
                var line = await new StreamReader(client.GetStream(), Encoding.ASCII).ReadLineAsync() ?? "";
                if (line.Split(' ') is ["CONNECT", var target, ..])
                    _wanted.Enqueue(target);
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            // The proxy was disposed.
        }
    }
}
