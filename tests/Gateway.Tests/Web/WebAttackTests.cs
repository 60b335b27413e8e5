using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.Web;

/// <summary>
/// Raw requests that try to reach the registry API of the upstream past the gateway, against a server that takes any bytes for requests and
/// remembers them all. What it received is read in the most generous way that a server could.
/// </summary>
public sealed partial class WebAttackTests : IAsyncLifetime
{
    private readonly RecordingServer _upstream = new();
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() =>
        _rig = await GatewayRig.StartAsync(options => WebRig.Options(options, [_upstream.Url]));

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Fact]
    public async Task No_spelling_of_a_path_reaches_the_registry_API_of_the_upstream()
    {
        foreach (var target in WebBypasses.Targets)
        {
            var (status, _) = await RawExchange.SendAsync(
                _rig.Url, $"GET {target} HTTP/1.1\r\nHost: {WebRig.Host}\r\nConnection: close\r\n\r\n");
            Assert.True(status is 0 or 400 or 404 or 403 or 405 || WebIsOfGateway(target), $"{status} for {target}");
        }
        AssertNothingReached();
    }

    public static TheoryData<string, string> Requests
    {
        get
        {
            const string End = "Host: registry.corp.example\r\nConnection: close\r\n\r\n";
            var requests = new TheoryData<string, string>
            {
                { "absolute form", $"GET http://{WebRig.Host}/v2/ HTTP/1.1\r\n{End}" },
                { "absolute form of another path", $"GET http://{WebRig.Host}/x HTTP/1.1\r\n{End}" },
                { "absolute form of another host", $"GET http://127.0.0.1/v2/ HTTP/1.1\r\n{End}" },
                { "CONNECT", $"CONNECT {WebRig.Host}:443 HTTP/1.1\r\nHost: {WebRig.Host}:443\r\nConnection: close\r\n\r\n" },
                { "CONNECT with a path", $"CONNECT /x HTTP/1.1\r\n{End}" },
                { "asterisk", $"OPTIONS * HTTP/1.1\r\n{End}" },
                { "HTTP/0.9", "GET /v2/\r\n\r\n" },
                { "HTTP/1.0", "GET /%76%32/ HTTP/1.0\r\nHost: registry.corp.example\r\n\r\n" },
                { "tab in the request line", $"GET\t/x\t/v2/ HTTP/1.1\r\n{End}" },
                { "two targets", $"GET /x /v2/ HTTP/1.1\r\n{End}" },
                { "folded header", $"GET /x HTTP/1.1\r\nX-A: b\r\n /v2/\r\n{End}" },
                { "bare line feed", $"GET /x HTTP/1.1\nX-A: b\n\nGET /v2/ HTTP/1.1\r\n{End}" },
                { "two hosts", $"GET /x HTTP/1.1\r\nHost: evil.example\r\n{End}" },
                { "host with a path", "GET /x HTTP/1.1\r\nHost: registry.corp.example/v2/?\r\nConnection: close\r\n\r\n" },
                { "host with a user", "GET /x HTTP/1.1\r\nHost: a@registry.corp.example\r\nConnection: close\r\n\r\n" },
                { "host with an impossible port", $"GET /x HTTP/1.1\r\nHost: {WebRig.Host}:99999\r\nConnection: close\r\n\r\n" },
                { "unknown method", $"MOVE /x HTTP/1.1\r\nDestination: /v2/\r\n{End}" },
                { "lower-case method", $"get /x HTTP/1.1\r\n{End}" },
                { "body with a request", $"POST /x HTTP/1.1\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n{End}0\r\n\r\n{Inner}" },
                { "list of codings", $"POST /x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n{End}0\r\n\r\n{Inner}" },
                { "spaced coding", $"POST /x HTTP/1.1\r\nTransfer-Encoding : chunked\r\n{End}0\r\n\r\n{Inner}" },
                { "signed length", $"POST /x HTTP/1.1\r\nContent-Length: +0\r\n{End}{Inner}" },
                { "two lengths", $"POST /x HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 38\r\n{End}{Inner}" },
                { "two lengths in one", $"POST /x HTTP/1.1\r\nContent-Length: 0, 38\r\n{End}{Inner}" },
                { "broken chunk size", $"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{End}0x0\r\n\r\n{Inner}" },
                { "chunk extension", $"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{End}0;\n\r\n\r\n{Inner}" },
                { "cleartext HTTP/2", $"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{Inner}" },
            };
            return requests;
        }
    }

    private const string Inner = "GET /v2/secret HTTP/1.1\r\nHost: a\r\n\r\n";

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Odd_request_is_refused_or_means_only_what_it_says(string name, string request)
    {
        var (status, answer) = await RawExchange.SendAsync(_rig.Url, request);
        Assert.True(status is not (>= 200 and < 300) || !answer.Contains("\r\n\r\nok", StringComparison.Ordinal), name);
        AssertNothingReached();
    }

    [Theory]
    [InlineData("X-Original-URL")]
    [InlineData("X-Rewrite-URL")]
    [InlineData("X_Original_URL")]
    [InlineData("X-Original-URI")]
    [InlineData("X-Forwarded-Uri")]
    [InlineData("X-Forwarded-Path")]
    [InlineData("X-Forwarded-Prefix")]
    [InlineData("X-Override-URL")]
    [InlineData("X-Envoy-Original-Path")]
    [InlineData("X-Accel-Redirect")]
    [InlineData("X-Sendfile")]
    [InlineData("X-Script-Name")]
    [InlineData("X-Host")]
    [InlineData("Request-Uri")]
    [InlineData("Destination")]
    [InlineData("X-Header-That-Nobody-Has-Thought-Of")]
    public async Task Header_that_names_another_path_stays_behind(string name)
    {
        await RawExchange.SendAsync(
            _rig.Url, $"GET /x HTTP/1.1\r\nHost: {WebRig.Host}\r\n{name}: /v2/secret\r\nConnection: close\r\n\r\n");
        Assert.Single(_upstream.Heads);
        AssertNothingReached();
    }

    [Theory]
    [InlineData("h2c", "HTTP2-Settings: AAMAAABkAAQAAP__\r\n")]
    [InlineData("h2c, websocket", "HTTP2-Settings: AAMAAABkAAQAAP__\r\n")]
    [InlineData("TLS/1.2", "")]
    [InlineData("SPDY/3.1", "")]
    [InlineData("websocket", "")]
    [InlineData("websocket", "Sec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")]
    public async Task Upgrade_that_is_no_WebSocket_opens_no_tunnel(string upgrade, string headers)
    {
        await RawExchange.SendAsync(
            _rig.Url,
            $"GET /x HTTP/1.1\r\nHost: {WebRig.Host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n{headers}\r\n{Inner}");
        Assert.DoesNotContain(_upstream.Heads, head => head.Contains("pgrade", StringComparison.OrdinalIgnoreCase));
        AssertNothingReached();
    }

    [Fact]
    public async Task WebSocket_that_the_upstream_does_not_accept_opens_no_tunnel()
    {
        await RawExchange.SendAsync(
            _rig.Url,
            $"GET /x HTTP/1.1\r\nHost: {WebRig.Host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            + $"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{Inner}");
        AssertNothingReached();
    }

    [Fact]
    public async Task Body_that_looks_like_a_request_arrives_as_the_body_it_is()
    {
        var (status, _) = await RawExchange.SendAsync(
            _rig.Url, $"POST /x HTTP/1.1\r\nHost: {WebRig.Host}\r\nContent-Length: {Inner.Length}\r\nConnection: close\r\n\r\n{Inner}");
        Assert.Equal(200, status);
        Assert.Contains($"Content-Length: {Inner.Length}", _upstream.Heads[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_header_removes_none_of_the_gateways_headers()
    {
        await RawExchange.SendAsync(
            _rig.Url,
            $"GET /x HTTP/1.1\r\nHost: {WebRig.Host}\r\nConnection: close, X-Forwarded-For, X-Forwarded-Host, Host, Cookie\r\n\r\n");
        var head = Assert.Single(_upstream.Heads);
        Assert.Contains("X-Forwarded-For: 127.0.0.1", head, StringComparison.Ordinal);
        Assert.DoesNotContain("Connection:", head, StringComparison.Ordinal);
    }

    private static bool WebIsOfGateway(string target) => Gateway.Web.WebTarget.IsOfGateway(target);

    // The request line's target, and every header's value: decoded as often as possible, in lower case, with '\' for '/'.
    private void AssertNothingReached()
    {
        foreach (var head in _upstream.Heads)
        {
            var read = head;
            for (var i = 0; i < 8; i++) read = Uri.UnescapeDataString(read);
            read = read.Normalize(NormalizationForm.FormKC).Replace('\\', '/').ToLowerInvariant();
            Assert.DoesNotMatch(RegistryApi(), read);
        }
    }

    [GeneratedRegex(@"(^|[\s/=])v2(/|\s|;|$)")]
    private static partial Regex RegistryApi();
}
