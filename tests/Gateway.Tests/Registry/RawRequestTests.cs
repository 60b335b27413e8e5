using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Requests that no client library would send, byte by byte: paths in other forms, and bodies framed in two ways.</summary>
public sealed class RawRequestTests
{
    // So that the body is read before the answer.
    private const string WithDigest = "?digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    [Theory]
    [InlineData("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n")]
    [InlineData("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd")]
    [InlineData("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd")]
    [InlineData("GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: -0\r\n\r\n")]
    [InlineData(
        "POST /v2/a/blobs/uploads/" + WithDigest + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4;a\nb\r\nabcd\r\n0\r\n\r\n")]
    [InlineData("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n")]
    [InlineData("GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n folded\r\n\r\n")]
    [InlineData("GET /v2/ HTTP/1.1\r\nHost : x\r\n\r\n")]
    [InlineData("GET /v2/ HTTP/1.1\r\n\r\n")]
    [InlineData("GET /v2/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")]
    [InlineData("GET http://elsewhere/v2/ HTTP/1.1\r\nHost: elsewhere\r\n\r\n")]
    [InlineData("GET /v2/../metrics HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v2/%2e%2e/metrics HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v2/a/..%2f..%2fetc/tags/list HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v2/a\\b/tags/list HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v2/a%5cb/tags/list HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET /v2/a;b/tags/list HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET //v2/ HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")]
    public async Task Ambiguous_request_returns_400(string request)
    {
        await using var rig = await GatewayRig.StartAsync();

        Assert.StartsWith("HTTP/1.1 400 ", await SendAsync(rig.Url, request), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bare_line_feed_ends_no_header()
    {
        await using var rig = await GatewayRig.StartAsync();

        var answer = await SendAsync(rig.Url, "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: b\nX-B: c\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Operator_port_is_not_selected_by_the_Host_header()
    {
        await using var rig = await GatewayRig.StartAsync();

        var answer = await SendAsync(rig.Url, $"GET /metrics HTTP/1.1\r\nHost: {rig.Operator.Authority}\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 404 ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Upload_continues_from_the_received_bytes_after_a_hang_up()
    {
        await using var rig = await GatewayRig.StartAsync();
        using var opened = await rig.SendAsync("POST", "/v2/a/blobs/uploads/");
        var session = opened.Headers.Location!.ToString();

        using (var client = await ConnectAsync(rig.Url))
        {
            var stream = client.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"PATCH {session} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"));
            await stream.WriteAsync(new byte[1_000_000]);
            await stream.FlushAsync();
        }

        using var status = await rig.SendAsync("GET", session);
        var received = GatewayRig.Header(status, "Range")!;
        Assert.StartsWith("0-", received, StringComparison.Ordinal);
        Assert.InRange(int.Parse(received[2..]), 0, 999_999);
    }

    private static async Task<TcpClient> ConnectAsync(Uri url)
    {
        var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(url.Host, url.Port);
        return client;
    }

    // The answer's head, or whatever came before the connection ended.
    private static async Task<string> SendAsync(Uri url, string request)
    {
        using var client = await ConnectAsync(url);
        using var deadline = Patience.Limit(30);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), deadline.Token);
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        while (!answer.ToString().Contains("\r\n\r\n", StringComparison.Ordinal)
            && await stream.ReadAsync(buffer, deadline.Token) is > 0 and var count)
            answer.Append(Encoding.Latin1.GetString(buffer, 0, count));
        return answer.ToString();
    }
}
