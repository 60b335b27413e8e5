using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Requests that the server refuses before any handler sees them: they have the spec's body, and one answer.</summary>
public sealed class UnreadableRequestTests
{
    [Theory]
    [InlineData(400, "GET /v2/ HTTP/1.1\r\n\r\n")]
    [InlineData(400, "GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\nHost : x\r\n\r\n")]
    [InlineData(400, "no request at all\r\n\r\n")]
    [InlineData(505, "GET /v2/ HTTP/7.3\r\nHost: 127.0.0.1\r\n\r\n")]
    [InlineData(414, "GET /v2/{LONG} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")]
    [InlineData(431, "GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: {LONG}\r\nX-B: {LONG}\r\nX-C: {LONG}\r\nX-D: {LONG}\r\n\r\n")]
    public async Task Unreadable_request_gets_the_error_body_of_the_specification(int status, string request)
    {
        await using var rig = await GatewayRig.StartAsync();
        AssertEnvelope(status, await AskAsync(rig.Url, request.Replace("{LONG}", new string('a', 9_000), StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Earlier_responses_on_the_same_connection_are_complete()
    {
        await using var rig = await GatewayRig.StartAsync();
        const string Ping = "GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        var answer = await AskAsync(rig.Url, $"{Ping}{Ping}GET\r\n\r\n");
        Assert.Equal(3, answer.Split("HTTP/1.1 200 OK\r\n").Length);
        AssertEnvelope(400, answer[answer.IndexOf("HTTP/1.1 400", StringComparison.Ordinal)..]);
    }

    [Fact]
    public async Task Slow_request_head_returns_408()
    {
        await using var rig = await new ServerLimits(server => server.RequestHeadersTimeout = TimeSpan.FromSeconds(1)).StartAsync();
        AssertEnvelope(408, await AskAsync(rig.Url, "GET /v2/ HTTP/1.1\r\nHost: "));
    }

    private static void AssertEnvelope(int status, string answer)
    {
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        var head = answer[..answer.IndexOf("\r\n\r\n", StringComparison.Ordinal)];
        Assert.Contains("\r\nContent-Type: application/json", head, StringComparison.Ordinal);
        Assert.Contains("\r\nConnection: close", head, StringComparison.Ordinal);
        var body = answer[(head.Length + 4)..];
        Assert.Contains($"\r\nContent-Length: {body.Length}\r\n", head, StringComparison.Ordinal);
        using var read = JsonDocument.Parse(body);
        var error = read.RootElement.GetProperty("errors")[0];
        Assert.Equal("UNSUPPORTED", error.GetProperty("code").GetString());
        Assert.NotEqual("", error.GetProperty("message").GetString());
    }

    private static async Task<string> AskAsync(Uri url, string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var answer = new StreamReader(client.GetStream(), Encoding.ASCII);
        return await answer.ReadToEndAsync().WaitAsync(Patience.Of(60));
    }
}
