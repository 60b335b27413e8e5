using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Gateway.Tests.Transport;

/// <summary>A client that writes requests and reads answers byte by byte as it likes, over one connection.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket;
    private readonly List<byte> _read = [];

    private RawClient(Socket socket) => _socket = socket;

    /// <summary>Most bytes of one read.</summary>
    public int Step { get; set; } = 256 * 1024;

    /// <summary>After so many bytes of an answer it reads nothing for a second.</summary>
    public int PauseAt { get; set; } = -1;

    /// <param name="window">The socket's receive buffer in bytes; 0 for the usual one.</param>
    public static async Task<RawClient> ConnectAsync(Uri url, int window = 0)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (window > 0) socket.ReceiveBufferSize = window;
        await socket.ConnectAsync(IPAddress.Loopback, url.Port);
        return new(socket);
    }

    public async Task<byte[]> GetAsync(string path, string method = "GET", string headers = "")
    {
        await SendAsync(method, path, headers);
        return await ReceiveAsync(method == "HEAD");
    }

    public Task SendAsync(string method, string path, string headers = "", string version = "1.1") =>
        _socket.SendAsync(Encoding.ASCII.GetBytes($"{method} {path} HTTP/{version}\r\nHost: h\r\n{headers}\r\n"));

    /// <summary>Sends bytes of a body, or of further requests.</summary>
    public async Task SendBytesAsync(ReadOnlyMemory<byte> bytes)
    {
        using var late = Patience.Limit(60);
        while (!bytes.IsEmpty) bytes = bytes[(await _socket.SendAsync(bytes, late.Token))..];
    }

    /// <summary>Reads the first line of an answer that has a head alone.</summary>
    public async Task<string> ReceiveInterimAsync()
    {
        int end;
        while ((end = Span(_read).IndexOf("\r\n\r\n"u8)) < 0) await FillAsync();
        var head = Encoding.ASCII.GetString(Span(_read)[..end]);
        _read.RemoveRange(0, end + 4);
        return head.Split("\r\n")[0];
    }

    /// <summary>Reads one answer with a Content-Length; gives back its body.</summary>
    public async Task<byte[]> ReceiveAsync(bool isHead = false)
    {
        int end;
        while ((end = Span(_read).IndexOf("\r\n\r\n"u8)) < 0) await FillAsync();
        var head = Encoding.ASCII.GetString(Span(_read)[..end]);
        _read.RemoveRange(0, end + 4);
        var length = head.Split("\r\n").Single(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase));
        var size = isHead ? 0 : int.Parse(length["Content-Length:".Length..], CultureInfo.InvariantCulture);
        while (_read.Count < size)
        {
            if (PauseAt >= 0 && _read.Count >= PauseAt)
            {
                PauseAt = -1;
                await Task.Delay(TimeSpan.FromSeconds(1));
            }
            await FillAsync();
        }
        var body = _read[..size].ToArray();
        _read.RemoveRange(0, size);
        return body;
    }

    /// <summary>Reads at least so many bytes, which the next answer read begins with.</summary>
    public async Task ReceiveSomeAsync(int count)
    {
        while (_read.Count < count) await FillAsync();
    }

    /// <summary>Reads until the connection ends; the number of bytes after the head.</summary>
    public async Task<int> ReadToEndAsync()
    {
        var buffer = new byte[Step];
        try
        {
            while (await ReadAsync(buffer) is var read and > 0) _read.AddRange(buffer.AsSpan(0, read));
        }
        catch (SocketException)
        {
            // Reset: as good an end as any.
        }
        return _read.Count - Span(_read).IndexOf("\r\n\r\n"u8) - 4;
    }

    public async Task<int> ReadAsync(byte[] buffer)
    {
        using var late = Patience.Limit(60);
        return await _socket.ReceiveAsync(buffer, late.Token);
    }

    /// <summary>Ends the connection with a reset.</summary>
    public void Reset() => _socket.LingerState = new(enable: true, seconds: 0);

    public void Dispose() => _socket.Dispose();

    private async Task FillAsync()
    {
        var buffer = new byte[Step];
        var read = await ReadAsync(buffer);
        if (read == 0) throw new EndOfStreamException($"expected more than {_read.Count} bytes");
        _read.AddRange(buffer.AsSpan(0, read));
    }

    private static ReadOnlySpan<byte> Span(List<byte> list) => CollectionsMarshal.AsSpan(list);
}
