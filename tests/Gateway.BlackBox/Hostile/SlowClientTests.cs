using System.Net;
using System.Net.Sockets;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Hostile;

/// <summary>Clients that hold connections or send slowly: the gateway closes them, and other clients are not affected.</summary>
public sealed class SlowClientTests
{
    // 10,000 connections at about 10 KiB each with their buffers, in addition to the memory of an idle gateway.
    private const long MostMemory = 700L << 20;

    private const int Idle = 10_000;

    private const string Roomy = "limits: { connections: 20000, connectionsPerAddress: 20000 }";

    [Fact]
    public async Task Ten_thousand_silent_connections_do_not_affect_other_clients()
    {
        await using var gateway = await GatewayProcess.StartAsync(Roomy);
        using var good = new RawClient(gateway.Host);
        var manifest = await good.ImageAsync("team/app", "v1", new byte[100_000]);
        var sockets = new List<Socket>();
        try
        {
            for (var i = 0; i < Idle; i++) sockets.Add(await ConnectAsync(gateway.Host));

            await Parallel.ForEachAsync(Enumerable.Range(0, 200), async (i, _) =>
            {
                using var answer = await good.GetAsync("/v2/team/app/manifests/v1");
                Assert.Equal(manifest, await answer.Content.ReadAsByteArrayAsync(CancellationToken.None));
                await good.ImageAsync($"team/app{i}", "v1", [(byte)i]);
            });
            using var operators = new HttpClient();
            var metrics = await operators.GetStringAsync(new Uri(gateway.Operator, "/metrics"));
            Assert.Matches("\ngateway_connections_open 1[0-9]{4}\n", metrics);
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }
        Assert.InRange(gateway.PeakResidentBytes, 0, MostMemory);
    }

    [Fact]
    public async Task Connection_that_sends_single_bytes_slowly_is_closed()
    {
        const string Put = "PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n";
        await using var gateway = await GatewayProcess.StartAsync();

        await Task.WhenAll(
            DribbleAsync(gateway.Host, "GET /v2/ HTTP/1.1\r\nX: ", "a"),
            DribbleAsync(gateway.Host, $"{Put}Content-Length: 100000\r\n\r\n", "a"),
            DribbleAsync(gateway.Host, $"{Put}Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"));

        using var good = new RawClient(gateway.Host);
        await good.ImageAsync("team/app", "v1", [1]);
    }

    [Fact]
    public async Task Client_that_disconnects_during_a_blob_is_not_logged_as_a_failure()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        using var good = new RawClient(gateway.Host);
        var blob = await good.BlobAsync("team/app", new byte[16 << 20], "application/octet-stream");

        for (var i = 0; i < 50; i++)
        {
            using var socket = await ConnectAsync(gateway.Host);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"GET /v2/team/app/blobs/{blob.Digest} HTTP/1.1\r\nHost: h\r\n\r\n"));
            await socket.ReceiveAsync(new byte[1000]);
            if (i % 2 == 0) socket.LingerState = new(true, 0);
        }

        await gateway.Server.StopAsync();
        Assert.DoesNotContain(gateway.Server.Output, line => line.Contains("fail: ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("PUT /v2/team/app/manifests/v1")]
    [InlineData("POST /v2/team/app/blobs/uploads/?digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    public async Task Client_that_disconnects_during_a_push_is_not_logged_as_a_failure(string request)
    {
        const string Head = "HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 100000\r\n\r\n{";
        await using var gateway = await GatewayProcess.StartAsync();

        for (var i = 0; i < 200; i++)
        {
            using var socket = await ConnectAsync(gateway.Host);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"{request} {Head}"));
            if (i % 2 == 0) await Task.Yield();
            else await Task.Delay(2);
            socket.LingerState = new(true, 0);
        }

        await gateway.Server.StopAsync();
        Assert.DoesNotContain(gateway.Server.Output, line => line.Contains("fail: ", StringComparison.Ordinal));
    }

    // Ends when the gateway has closed the connection.
    private static async Task DribbleAsync(string host, string start, string bytes)
    {
        using var socket = await ConnectAsync(host);
        await socket.SendAsync(Encoding.ASCII.GetBytes(start));
        var ended = EndOfAsync(socket);
        using var late = Patience.Limit(90);
        while (!ended.IsCompleted)
        {
            late.Token.ThrowIfCancellationRequested();
            await TrySendAsync(socket, Encoding.ASCII.GetBytes(bytes));
            await Task.WhenAny(ended, Task.Delay(200, late.Token));
        }
    }

    private static async Task<Socket> ConnectAsync(string host)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPEndPoint.Parse(host));
        return socket;
    }

    private static async Task EndOfAsync(Socket socket)
    {
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer) > 0)
            {
            }
        }
        catch (SocketException)
        {
        }
    }

    private static async Task TrySendAsync(Socket socket, byte[] bytes)
    {
        try
        {
            await socket.SendAsync(bytes);
        }
        catch (SocketException)
        {
            // The gateway closed the connection; the reader reports that too.
        }
    }
}
