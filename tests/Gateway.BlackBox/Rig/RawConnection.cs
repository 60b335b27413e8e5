using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace Gateway.BlackBox.Rig;

/// <summary>One connection: sends bytes as given, and reads everything until the end.</summary>
internal static partial class RawConnection
{
    // Ends a wait that would never end.
    private static TimeSpan Limit => Patience.Of(60);

    /// <summary>Sends everything and reads to the end; a reset counts as the end.</summary>
    /// <param name="hangUp">When to close the sending side, as a time after the last answer; zero closes it at once, null never.</param>
    public static async Task<string> ExchangeAsync(string host, byte[] bytes, TimeSpan? hangUp = null)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPEndPoint.Parse(host));
        using var late = new CancellationTokenSource(Limit);
        var answer = new StringBuilder();
        try
        {
            await socket.SendAsync(bytes, late.Token);
            if (hangUp == TimeSpan.Zero) socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // Refused before everything was sent; the answer can still be read.
        }
        try
        {
            var buffer = new byte[16 * 1024];
            while (true)
            {
                var receiving = socket.ReceiveAsync(buffer, late.Token).AsTask();
                if (hangUp is { } silence && await Task.WhenAny(receiving, Task.Delay(silence, late.Token)) != receiving)
                    socket.Shutdown(SocketShutdown.Send);
                var count = await receiving;
                if (count == 0) break;
                answer.Append(Encoding.Latin1.GetString(buffer, 0, count));
            }
        }
        catch (SocketException)
        {
        }
        return answer.ToString();
    }

    /// <summary>The status of each answer, without interim ones (100).</summary>
    public static int[] Statuses(string answers) =>
        [
            .. StatusLine().Matches(answers)
                .Select(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))
                .Where(status => status >= 200),
        ];

    [GeneratedRegex(@"HTTP/1\.[01] (\d{3}) ")]
    private static partial Regex StatusLine();
}
