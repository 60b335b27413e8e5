using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Gateway.Testing;

/// <summary>Ports for servers that a test starts.</summary>
internal static class FreePorts
{
    private static readonly ConcurrentDictionary<int, bool> Given = new();

    /// <summary>
    /// A loopback port that was free a moment ago; no two calls in this process return the same one. It is below 32768, where Linux begins
    /// to assign ports to outgoing connections, which could take it before the server has started.
    /// </summary>
    public static int Next()
    {
        while (true)
        {
            var port = Random.Shared.Next(10_000, 32_768);
            if (IsFree(port) && Given.TryAdd(port, true)) return port;
        }
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
