using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Gateway.BlackBox.Rig;

/// <summary>Sends a request byte for byte as given, because an HTTP library would normalize it.</summary>
internal static class RawSocket
{
    /// <param name="host">host:port</param>
    /// <param name="target">The text between method and version.</param>
    /// <returns>Status and everything after the status line.</returns>
    public static async Task<(int Status, string Text)> SendAsync(
        string host, string method, string target, string headers = "", byte[]? body = null)
    {
        var request = new StringBuilder($"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n").Append(headers);
        if (body is not null)
            request.Append(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n");
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(host.Split(':')[0], int.Parse(host.Split(':')[1], CultureInfo.InvariantCulture));
        await using var stream = tcp.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request.Append("\r\n").ToString()));
        if (body is not null)
            await stream.WriteAsync(body);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        using var late = Patience.Limit(30);
        var answer = await reader.ReadToEndAsync(late.Token);
        var line = answer.Split("\r\n", 2);
        return (int.Parse(line[0].Split(' ')[1], CultureInfo.InvariantCulture), line[1]);
    }
}
