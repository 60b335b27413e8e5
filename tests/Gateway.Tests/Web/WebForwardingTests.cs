using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Scripted;
using Xunit;

namespace Gateway.Tests.Web;

/// <summary>What an upstream's web application receives through the gateway, and what its users get back.</summary>
public sealed class WebForwardingTests : IAsyncLifetime
{
    private WebRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await WebRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Path_and_query_arrive_byte_for_byte()
    {
        const string Target = "/api/v2.0/projects/library/repositories/team%252Fapp/%C3%A4~(x)?q=a%2Fb&next=/v2/../%2e%2e/&s=a+b|[]";
        Assert.Equal(200, await RawStatusAsync($"GET {Target} HTTP/1.1\r\nHost: {WebRig.Host}\r\nConnection: close\r\n\r\n"));
        Assert.Equal(Target, Assert.Single(_rig.Application.Requests).Target);
    }

    [Fact]
    public async Task Login_sets_a_cookie_for_the_gateways_name_and_leads_back_to_it()
    {
        using var start = await _rig.SendAsync("GET", "/");
        Assert.Equal((302, $"http://{WebRig.Host}/login"), ((int)start.StatusCode, GatewayRig.Header(start, "Location")));

        var form = new FormUrlEncodedContent([new("user", "ann"), new("password", "secret")]);
        using var login = await _rig.SendAsync(
            "POST", "/login", form, ("Origin", $"http://{WebRig.Host}"), ("Referer", $"http://{WebRig.Host}/login"),
            ("Sec-Fetch-Site", "same-origin"));
        Assert.Equal((303, $"http://{WebRig.Host}/"), ((int)login.StatusCode, GatewayRig.Header(login, "Location")));
        var cookie = GatewayRig.Header(login, "Set-Cookie");
        Assert.Equal($"{SampleApplication.Cookie}=right; Path=/; HttpOnly; SameSite=Lax", cookie);

        using var home = await _rig.SendAsync("GET", "/", null, ("Cookie", cookie!.Split(';')[0]));
        Assert.Contains("Hello ann", await home.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var post = _rig.Application.Requests.Single(r => r.Method == "POST");
        Assert.Equal(_rig.Application.Url.GetLeftPart(UriPartial.Authority) + "/login", post.Headers["Referer"]);
    }

    [Fact]
    public async Task Form_of_another_site_keeps_its_origin()
    {
        var form = new FormUrlEncodedContent([new("password", "secret")]);
        using var answer = await _rig.SendAsync(
            "POST", "/login", form, ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"));
        Assert.Equal(403, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Client_cannot_say_where_it_comes_from_or_ask_for_another_path_or_method()
    {
        var seen = await HeadersAsync(
            ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https"),
            ("Forwarded", "for=6.6.6.6"),
            ("X-Forwarded-Prefix", "/v2"), ("X-Forwarded-Uri", "/v2/"), ("X-Original-URL", "/v2/"), ("X-Rewrite-URL", "/v2/"),
            ("X-HTTP-Method-Override", "DELETE"), ("X-Method-Override", "DELETE"), ("X-HTTP-Method", "DELETE"),
            ("X-Original-Method", "PUT"), ("X_Original_URL", "/v2/"), ("X-Real-IP", "6.6.6.6"),
            ("X-Envoy-Original-Path", "/v2/"), ("Proxy", "http://evil.example"), ("X-Accel-Redirect", "/v2/"),
            ("True-Client-IP", "6.6.6.6"), ("X-Remote-User", "admin"), ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
            ("Upgrade", "h2c"), ("Via", "1.1 evil"), ("Accept-Language", "de"), ("X-Harbor-CSRF-Token", "kept"));

        string[] said = ["6.6.6.6", "evil", "/v2", "DELETE", "PUT", "admin", "h2c"];
        Assert.DoesNotContain(seen, header => said.Any(each => header.Value.Contains(each, StringComparison.Ordinal)));
        Assert.Equal(("de", "kept"), (seen["Accept-Language"], seen["X-Harbor-CSRF-Token"]));
        Assert.Equal(
            ("127.0.0.1", "http", WebRig.Host), (seen["X-Forwarded-For"], seen["X-Forwarded-Proto"], seen["X-Forwarded-Host"]));
        Assert.Equal($"for=127.0.0.1;proto=http;host=\"{WebRig.Host}\"", seen["Forwarded"]);
        Assert.Equal((_rig.Application.Url.Authority, "1.1 gateway"), (seen["Host"], seen["Via"]));
    }

    [Fact]
    public async Task Authorization_and_cookies_are_the_applications_where_the_gateway_needs_none()
    {
        var seen = await HeadersAsync(("Authorization", "Bearer of-the-application"), ("Cookie", "sid=1; theme=dark"));
        Assert.Equal(("Bearer of-the-application", "sid=1; theme=dark"), (seen["Authorization"], seen["Cookie"]));
    }

    [Fact]
    public async Task Large_download_and_upload_arrive_whole_and_are_counted()
    {
        const int Bytes = 20 << 20;
        using var down = await _rig.SendAsync("GET", $"/large?bytes={Bytes}");
        Assert.Equal(Bytes, (await down.Content.ReadAsByteArrayAsync()).Length);
        using var up = await _rig.SendAsync("POST", "/size", new ByteArrayContent(new byte[Bytes]));
        Assert.Equal($"{Bytes}", await up.Content.ReadAsStringAsync());

        await _rig.Gateway.StopAsync();
        var lines = Encoding.UTF8.GetString(_rig.Gateway.AccessLog.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(("web", "/large", "corp", 200, (long)Bytes), (
            lines[0].GetProperty("route").GetString(), lines[0].GetProperty("reference").GetString(),
            lines[0].GetProperty("upstream").GetString(), lines[0].GetProperty("upstreamStatus").GetInt32(),
            lines[0].GetProperty("bytesSent").GetInt64()));
        Assert.Equal(Bytes, lines[1].GetProperty("bytesRead").GetInt64());
    }

    [Fact]
    public async Task WebSocket_carries_messages_both_ways()
    {
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Host", WebRig.Host);
        socket.Options.SetRequestHeader("Cookie", $"{SampleApplication.Cookie}=right");
        using var late = Patience.Limit(30);
        await socket.ConnectAsync(new($"ws://{_rig.Gateway.Url.Authority}/ws"), late.Token);
        for (var i = 0; i < 3; i++)
        {
            await socket.SendAsync(Encoding.UTF8.GetBytes($"message {i}"), WebSocketMessageType.Text, endOfMessage: true, late.Token);
            var buffer = new byte[100];
            var received = await socket.ReceiveAsync(buffer, late.Token);
            Assert.Equal($"echo message {i}", Encoding.UTF8.GetString(buffer, 0, received.Count));
        }
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, late.Token);
    }

    [Fact]
    public async Task Registry_API_and_token_endpoint_stay_the_gateways()
    {
        using var ping = await _rig.SendAsync("GET", "/v2/");
        Assert.Equal("registry/2.0", GatewayRig.Header(ping, "Docker-Distribution-API-Version"));
        using var token = await _rig.SendAsync("GET", "/token");
        Assert.Contains("\"token\"", await token.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var promote = await _rig.SendAsync("POST", "/-/promote");
        Assert.Equal(415, (int)promote.StatusCode);
        Assert.Empty(_rig.Application.Requests);
    }

    [Fact]
    public async Task Requests_for_another_host_stay_the_gateways()
    {
        using var answer = await _rig.Gateway.SendAsync("GET", "/harbor/projects");
        Assert.Equal((404, "NAME_UNKNOWN"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        Assert.Empty(_rig.Application.Requests);
    }

    [Fact]
    public async Task Page_of_the_application_cannot_use_the_registry_API()
    {
        using var read = await _rig.SendAsync(
            "GET", "/v2/", null, ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"));
        Assert.Equal(403, (int)read.StatusCode);
        using var write = await _rig.SendAsync("POST", "/v2/a/blobs/uploads/", null, ("Origin", $"http://{WebRig.Host}"));
        Assert.Equal(403, (int)write.StatusCode);
    }

    [Theory]
    [InlineData("TRACE")]
    [InlineData("PROPFIND")]
    public async Task Unusual_method_is_405_and_says_which_are_forwarded(string method)
    {
        using var answer = await _rig.SendAsync(method, "/x");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.Contains("PATCH", GatewayRig.Header(answer, "Allow"), StringComparison.Ordinal);
        Assert.Empty(_rig.Application.Requests);
    }

    private async Task<Dictionary<string, string>> HeadersAsync(params (string Name, string Value)[] headers)
    {
        using var answer = await _rig.SendAsync("GET", "/headers", null, headers);
        var body = await answer.Content.ReadAsStringAsync();
        return new(JsonSerializer.Deserialize<Dictionary<string, string>>(body)!, StringComparer.OrdinalIgnoreCase);
    }

    private async Task<int> RawStatusAsync(string request) => (await RawExchange.SendAsync(_rig.Gateway.Url, request)).Status;
}
