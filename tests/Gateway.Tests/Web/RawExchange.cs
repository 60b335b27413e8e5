using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Tests.Web;

/// <summary>Bytes sent over a connection of their own, and what came back until it ended.</summary>
internal static class RawExchange
{
    /// <summary>Sends, and reads one answer of a stated length. The status is 0 where the connection ended without one.</summary>
    public static async Task<(int Status, string Answer)> SendAsync(Uri url, string bytes)
    {
        using var late = Patience.Limit(30);
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(url.Host, url.Port, late.Token);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes(bytes), late.Token);
        var answer = new StringBuilder();
        var buffer = new byte[16 * 1024];
        try
        {
            while (!IsWhole(answer.ToString()) && await stream.ReadAsync(buffer, late.Token) is > 0 and var read)
                answer.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }
        catch (IOException)
        {
            // The gateway ended the connection.
        }
        var text = answer.ToString();
        return text.StartsWith("HTTP/1.1 ", StringComparison.Ordinal)
            ? (int.Parse(text.AsSpan(9, 3), CultureInfo.InvariantCulture), text)
            : (0, text);
    }

    private static bool IsWhole(string answer)
    {
        var end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0) return false;
        const string Name = "\r\nContent-Length: ";
        var at = answer.IndexOf(Name, StringComparison.Ordinal);
        if (at < 0)
        {
            return answer.StartsWith("HTTP/1.1 101", StringComparison.Ordinal)
                || answer.EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal);
        }
        var from = at + Name.Length;
        var to = answer.IndexOf("\r\n", from, StringComparison.Ordinal);
        return answer.Length >= end + 4 + int.Parse(answer.AsSpan(from, to - from), CultureInfo.InvariantCulture);
    }
}

/// <summary>A server that takes any bytes for requests, keeps them, and answers each head 200. It refuses and repairs nothing.</summary>
internal sealed class RecordingServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentQueue<string> _heads = new();
    private readonly Task _accepting;

    public RecordingServer()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>What each head is answered.</summary>
    public string Answer { get; set; } = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    public Uri Url => new($"http://{_listener.LocalEndpoint}");

    /// <summary>Everything between two empty lines that was received on any connection: heads, and bodies where there were some.</summary>
    public IReadOnlyList<string> Heads => [.. _heads];

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _listener.Stop();
        await _accepting;
        _ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync(_ending.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test has ended.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var connection = client;
        var buffer = new byte[16 * 1024];
        var pending = "";
        try
        {
            for (int read; (read = await client.GetStream().ReadAsync(buffer, _ending.Token)) > 0;)
            {
                pending += Encoding.Latin1.GetString(buffer, 0, read);
                for (int end; (end = pending.IndexOf("\r\n\r\n", StringComparison.Ordinal)) >= 0; pending = pending[(end + 4)..])
                {
                    _heads.Enqueue(pending[..end]);
                    await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(Answer), _ending.Token);
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The gateway or the test has gone.
        }
        if (pending.Length > 0) _heads.Enqueue(pending);
    }
}
