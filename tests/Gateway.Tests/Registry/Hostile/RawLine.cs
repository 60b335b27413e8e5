using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Gateway.Tests.Registry.Hostile;

/// <summary>One request after another over one connection, each byte for byte as written; over another where one was closed.</summary>
internal sealed class RawLine(Uri url) : IDisposable
{
    private readonly byte[] _buffer = new byte[64 * 1024];
    private TcpClient? _client;

    /// <summary>Sends a request without a body; the status is 0 where the connection ended without an answer.</summary>
    public async Task<(int Status, string Body)> SendAsync(string method, string target, string headers)
    {
        using var late = Patience.Limit(60);
        if (_client is null)
        {
            _client = new() { NoDelay = true };
            await _client.ConnectAsync(url.Host, url.Port, late.Token);
        }
        var request = $"{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{headers}\r\n";
        await _client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(request), late.Token);
        var answer = "";
        while (!IsWhole(answer))
        {
            var count = await _client.GetStream().ReadAsync(_buffer, late.Token);
            if (count == 0) break;
            answer += Encoding.Latin1.GetString(_buffer, 0, count);
        }
        if (answer.Length == 0 || answer.Contains("\r\nConnection: close\r\n", StringComparison.Ordinal)) Close();
        return answer.Length == 0
            ? (0, "")
            : (int.Parse(answer.AsSpan(9, 3), CultureInfo.InvariantCulture),
                answer[(answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]);
    }

    public void Dispose() => Close();

    private void Close()
    {
        _client?.Dispose();
        _client = null;
    }

    private static bool IsWhole(string answer)
    {
        var end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0) return false;
        const string Name = "\r\nContent-Length: ";
        var at = answer.IndexOf(Name, StringComparison.Ordinal);
        if (at < 0) return true;
        var from = at + Name.Length;
        var to = answer.IndexOf("\r\n", from, StringComparison.Ordinal);
        return answer.Length >= end + 4 + int.Parse(answer.AsSpan(from, to - from), CultureInfo.InvariantCulture);
    }
}
