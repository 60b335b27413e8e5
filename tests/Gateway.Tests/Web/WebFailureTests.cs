using System.Net;
using System.Net.Sockets;
using Gateway.Configuration;
using Scripted;
using Xunit;

namespace Gateway.Tests.Web;

/// <summary>What users see where the web application is down, slow or given up on, and what is bounded.</summary>
public sealed class WebFailureTests
{
    // No other test listens there, so that a port that was free a moment ago still is.
    private const string Closed = "127.0.0.77";

    [Fact]
    public async Task Upstream_that_is_down_is_502_with_a_text_that_says_what_to_check()
    {
        await using var rig = await WebRig.StartAsync(urls: _ => [new($"http://{Closed}:{ClosedPort()}")]);
        using var answer = await rig.SendAsync("GET", "/harbor");
        Assert.Equal((HttpStatusCode.BadGateway, "text/plain"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        Assert.StartsWith(
            "Upstream corp cannot be reached. Try again later. Operator: check that the addresses under upstreams.corp answer",
            await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_two_endpoints_the_dead_one_costs_no_request_and_the_one_that_came_back_is_used_again()
    {
        var port = ClosedPort();
        await using var rig = await WebRig.StartAsync(urls: living => [new($"http://{Closed}:{port}"), living]);
        for (var i = 0; i < 10; i++)
        {
            using var answer = await rig.SendAsync(i % 2 == 0 ? "GET" : "POST", i % 2 == 0 ? "/headers" : "/size", Body(i));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
        // Besides these, the gateway probes the health of each endpoint.
        Assert.Equal(10, rig.Application.Requests.Count(r => r.Path != "/v2/"));

        await using var back = await SampleApplication.StartAsync(port, Closed);
        await WaitAsync(async () =>
        {
            using var answer = await rig.SendAsync("GET", "/headers");
            return back.Requests.Any(r => r.Path == "/headers");
        });

        static HttpContent? Body(int i) => i % 2 == 0 ? null : new StringContent("body");
    }

    [Fact]
    public async Task Slow_answer_is_waited_for_and_one_that_never_comes_is_504()
    {
        await using var rig = await WebRig.StartAsync(
            configure: options => options with { Limits = options.Limits with { WebIdle = TimeSpan.FromSeconds(2) } });
        using var slow = await rig.SendAsync("GET", "/slow?ms=300");
        Assert.Equal("slow", await slow.Content.ReadAsStringAsync());
        using var late = await rig.SendAsync("GET", "/slow?ms=60000");
        Assert.Equal(HttpStatusCode.GatewayTimeout, late.StatusCode);
        Assert.Contains("limits.webIdle", await late.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Body_beyond_the_limit_is_413(bool chunked)
    {
        await using var rig = await WebRig.StartAsync(
            configure: options => options with { Limits = options.Limits with { WebBody = 1000 } });
        using var fits = await rig.SendAsync("POST", "/size", new ByteArrayContent(new byte[1000]));
        Assert.Equal("1000", await fits.Content.ReadAsStringAsync());
        HttpContent body = chunked ? new StreamContent(new Unsized(5000)) : new ByteArrayContent(new byte[5000]);
        using var large = await rig.SendAsync("POST", "/size", body);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        Assert.Contains("limits.webBody", await large.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_address_gets_a_quarter_of_the_requests_that_may_be_open()
    {
        await using var rig = await WebRig.StartAsync(
            configure: options => options with { Limits = options.Limits with { WebRequests = 8 } });
        var open = Enumerable.Range(0, 2).Select(_ => rig.SendAsync("GET", "/slow?ms=60000")).ToArray();
        await WaitAsync(() => Task.FromResult(rig.Application.Requests.Count == 2));
        using var refused = await rig.SendAsync("GET", "/headers");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "1"), (refused.StatusCode, GatewayRig.Header(refused, "Retry-After")));
        rig.Gateway.Client.CancelPendingRequests();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(open));
    }

    [Fact]
    public async Task Client_that_leaves_ends_the_request_at_the_upstream_and_its_turn()
    {
        await using var rig = await WebRig.StartAsync(
            configure: options => options with { Limits = options.Limits with { WebRequests = 4 } });
        for (var i = 0; i < 3; i++)
        {
            using var leaving = new CancellationTokenSource();
            using var request = new HttpRequestMessage(HttpMethod.Get, "/slow?ms=60000") { Headers = { Host = WebRig.Host } };
            var asked = rig.Gateway.Client.SendAsync(request, leaving.Token);
            await WaitAsync(() => Task.FromResult(rig.Application.Requests.Count(r => r.Path == "/slow") == i + 1));
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
            await WaitAsync(async () =>
            {
                using var next = await rig.SendAsync("GET", "/headers");
                return next.StatusCode == HttpStatusCode.OK;
            });
        }
    }

    [Fact]
    public async Task Upstream_that_closes_without_an_answer_is_502()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync();
                _ = await client.GetStream().ReadAsync(new byte[1000]);
            }
        });
        await using var rig = await WebRig.StartAsync(urls: _ => [new($"http://{listener.LocalEndpoint}")]);
        using var answer = await rig.SendAsync("GET", "/");
        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.Contains("closed the connection before it answered", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("999 X\r\nContent-Length: 0", 502)]
    [InlineData("099 X\r\nContent-Length: 0", 502)]
    [InlineData("204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204)]
    [InlineData("205 Reset Content\r\nContent-Length: 5\r\n\r\nhello", 205)]
    [InlineData("304 Not Modified\r\nContent-Length: 5", 304)]
    [InlineData("101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket", 502)]
    [InlineData("200 OK\r\nX-Name: \u00e9\r\nContent-Length: 0", 200)]
    [InlineData("200 OK\r\nX-Name: \u0001\r\nContent-Length: 0", 502)]
    [InlineData("302 Found\r\nLocation: http://127.0.0.1:99999:x/\r\nSet-Cookie: ;Domain=;\r\nContent-Length: 0", 302)]
    public async Task Odd_answer_is_passed_on_within_the_rules_or_is_502(string answer, int expected)
    {
        await using var upstream = new RecordingServer { Answer = $"HTTP/1.1 {answer}\r\n\r\n" };
        await using var gateway = await GatewayRig.StartAsync(options => WebRig.Options(options, [upstream.Url]));
        using var received = await gateway.SendAsync("GET", "/", null, ("Host", WebRig.Host));
        Assert.Equal(expected, (int)received.StatusCode);
        using var after = await gateway.SendAsync("GET", "/v2/");
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
    }

    /// <remarks>The key and its answer are those of RFC 6455 §1.3.</remarks>
    [Theory]
    [InlineData("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 101)]
    [InlineData("\r\nSec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==", 502)]
    [InlineData("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 502)]
    [InlineData("", 502)]
    public async Task WebSocket_opens_only_with_the_answer_to_its_own_key(string accept, int expected)
    {
        await using var upstream = new RecordingServer
        {
            Answer = $"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket{accept}\r\n\r\n",
        };
        await using var gateway = await GatewayRig.StartAsync(options => WebRig.Options(options, [upstream.Url]));
        var (status, answer) = await RawExchange.SendAsync(
            gateway.Url,
            $"GET /x HTTP/1.1\r\nHost: {WebRig.Host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        Assert.Equal(expected, status);
        Assert.Equal(expected == 101, answer.Contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Reload_turns_forwarding_on_and_off()
    {
        await using var rig = await WebRig.StartAsync(route => route with { Web = null });
        using var before = await rig.SendAsync("GET", "/headers");
        Assert.Equal(HttpStatusCode.NotFound, before.StatusCode);
        await rig.Gateway.UseAsync(options => options with { Routes = [options.Routes[0] with { Web = new() { KeepsHost = true } }] });
        using var on = await rig.SendAsync("GET", "/headers");
        Assert.Equal(WebRig.Host, rig.Application.Requests.Single().Headers["Host"]);
        await rig.Gateway.UseAsync(options => options with { Routes = [options.Routes[0] with { Web = null }] });
        using var off = await rig.SendAsync("GET", "/headers");
        Assert.Equal(HttpStatusCode.NotFound, off.StatusCode);
    }

    private static async Task WaitAsync(Func<Task<bool>> happened)
    {
        using var late = Patience.Limit(60);
        while (!await happened()) await Task.Delay(50, late.Token);
    }

    private static int ClosedPort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Parse(Closed), 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>A stream of zeros that does not say how long it is.</summary>
    private sealed class Unsized(int bytes) : MemoryStream(new byte[bytes])
    {
        public override bool CanSeek => false;
    }
}
