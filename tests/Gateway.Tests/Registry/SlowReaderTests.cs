using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Gateway.Registry;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Clients that ask for much and take little of it.</summary>
public sealed class SlowReaderTests
{
    // Far more than sockets hold.
    private const int Size = 64 << 20;

    // What the gateway takes five minutes to end takes three seconds.
    private const int Faster = 100;

    [Fact]
    public async Task Reader_below_the_minimum_rate_is_disconnected()
    {
        var limits = new ServerLimits(server =>
        {
            var own = server.MinResponseDataRate!;
            server.MinResponseDataRate = new(own.BytesPerSecond * Faster, own.GracePeriod / Faster);
        });
        await using var rig = await limits.StartAsync();
        var digest = await rig.PushBlobAsync("a", new byte[Size]);

        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(IPAddress.Loopback, rig.Url.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: h\r\n\r\n"));
        await DribbleAsync(socket);

        await rig.StopAsync();
        var line = Encoding.UTF8.GetString(rig.AccessLog.ToArray()).Split('\n').Single(each => each.Contains("\"GET\""));
        using var told = JsonDocument.Parse(line);
        Assert.InRange(told.RootElement.GetProperty("bytesSent").GetInt64(), 1, Size - 1);
    }

    // The server's own grace is not enough: of what a blob's bytes are it counts none.
    [Fact]
    public void Minimum_response_rate_allows_a_pause_of_one_step()
    {
        var server = new KestrelServerOptions();
        Listening.Limit(server);

        var rate = server.Limits.MinResponseDataRate!;
        Assert.InRange(rate.GracePeriod.TotalSeconds * rate.BytesPerSecond, 64 << 10, 128 << 10);
    }

    // Ends when the gateway has ended the connection.
    private static async Task DribbleAsync(Socket socket)
    {
        using var late = Patience.Limit(90);
        // What has come before the end is read before the end is.
        var few = new byte[256];
        try
        {
            while (await socket.ReceiveAsync(few, late.Token) > 0) await Task.Delay(100, late.Token);
        }
        catch (SocketException)
        {
        }
    }
}
