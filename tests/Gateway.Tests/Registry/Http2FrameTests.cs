using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>HTTP/2 by its frames (RFC 9113): what no client library sends.</summary>
public sealed class Http2FrameTests : IAsyncLifetime
{
    private const byte Data = 0;
    private const byte Headers = 1;
    private const byte Reset = 3;
    private const byte Settings = 4;
    private const byte GoAway = 7;
    private const byte WindowUpdate = 8;
    private const byte Continuation = 9;

    // END_STREAM and END_HEADERS.
    private const byte Whole = 5;

    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync(
        o => o with { Listen = [o.Listen[0], o.Listen[0] with { Http2 = true }] });

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_transfer_coding_is_refused()
    {
        byte[] request = [.. Request("/v2/"), .. Field("transfer-encoding", "chunked")];
        var answer = await SendAsync(Frame(Headers, Whole, 1, request), until: Data);
        Assert.Contains("only in HTTP/1.1", answer, StringComparison.Ordinal);
    }

    /// <summary>Rapid reset (CVE-2023-44487), its like by the server's own resets (CVE-2025-8671), and headers without end.</summary>
    [Theory]
    [InlineData("reset")]
    [InlineData("server resets")]
    [InlineData("headers")]
    [InlineData("streams")]
    public async Task Flood_ends_only_its_own_connection(string flood)
    {
        await SendAsync([.. Enumerable.Range(0, 3000).SelectMany(i => Flood(flood, i))], until: GoAway);
        Assert.Equal("{}", await _rig.Client.GetStringAsync(new Uri("/v2/", UriKind.Relative)));
        await SendAsync(Frame(Headers, Whole, 1, Request("/v2/")), until: Data);
    }

    private static byte[] Flood(string flood, int i)
    {
        var stream = (2 * i) + 1;
        byte[] request = Frame(Headers, Whole, stream, Request("/v2/"));
        return flood switch
        {
            "reset" => [.. request, .. Frame(Reset, 0, stream, [0, 0, 0, 8])],
            "server resets" => [.. request, .. Frame(WindowUpdate, 0, stream, [0, 0, 0, 0])],
            "headers" when i == 0 => Frame(Headers, 1, 1, Request("/v2/")),
            "headers" => Frame(Continuation, 0, 1, Field($"x{i}", new string('a', 100))),
            _ => Frame(Headers, 4, stream, Request("/v2/a/blobs/uploads/", "POST")),
        };
    }

    /// <summary>Sends frames until one of a type comes, or the server ends the connection; all that came, as text.</summary>
    private async Task<string> SendAsync(byte[] frames, byte until)
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", _rig.Listening[1].Port);
        using var limit = Patience.Limit(60);
        var stream = client.GetStream();
        var sending = SendAllAsync();
        var (text, head) = (new StringBuilder(), new byte[9]);
        try
        {
            while (true)
            {
                await stream.ReadExactlyAsync(head, limit.Token);
                var body = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
                await stream.ReadExactlyAsync(body, limit.Token);
                text.Append(Encoding.Latin1.GetString(body));
                if (head[3] == until) break;
            }
        }
        catch (Exception e) when (until == GoAway && e is IOException)
        {
            // Ended, as it must be.
        }
        client.Close();
        await sending;
        return text.ToString();

        async Task SendAllAsync()
        {
            try
            {
                byte[] preface = [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(Settings, 0, 0, [])];
                await stream.WriteAsync(preface, limit.Token);
                await stream.WriteAsync(frames, limit.Token);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The server has ended it.
            }
        }
    }

    private static byte[] Frame(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
        (frame[3], frame[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame, 9);
        return frame;
    }

    private static byte[] Request(string path, string method = "GET") =>
        [.. Field(":method", method), .. Field(":scheme", "http"), .. Field(":path", path), .. Field(":authority", "127.0.0.1")];

    // Literal, without indexing (RFC 7541 §6.2.2); lengths below 127.
    private static byte[] Field(string name, string value) =>
        [0, (byte)name.Length, .. Encoding.ASCII.GetBytes(name), (byte)value.Length, .. Encoding.ASCII.GetBytes(value)];
}
