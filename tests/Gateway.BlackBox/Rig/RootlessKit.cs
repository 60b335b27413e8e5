using System.Net.Sockets;
using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// The part of RootlessKit's API that dockerd uses at its start. A dockerd that finds it reads the folder <c>certs.d</c> below
/// <c>XDG_CONFIG_HOME</c>, which is separate for each test, and not the one below /etc.
/// </summary>
internal sealed class RootlessKit : IDisposable
{
    private const string Information =
        """{"apiVersion":"1.1.1","version":"2.0.0","networkDriver":{"driver":"host"},"portDriver":{"driver":"builtin","protos":["tcp"]}}""";

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public RootlessKit(string folder)
    {
        Directory.CreateDirectory(folder);
        _socket.Bind(new UnixDomainSocketEndPoint($"{folder}/api.sock"));
        _socket.Listen();
        _ = AnswerAsync();
    }

    public void Dispose() => _socket.Dispose();

    private async Task AnswerAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _socket.AcceptAsync();
                await client.ReceiveAsync(new byte[4096]);
                await client.SendAsync(Encoding.ASCII.GetBytes(
                    $"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {Information.Length}\r\n\r\n{Information}"));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The server was disposed.
        }
    }
}
