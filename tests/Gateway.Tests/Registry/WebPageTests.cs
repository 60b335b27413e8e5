using System.Net.Http.Json;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>What a page in somebody's browser can make that browser send, to a gateway that asks nobody who he is.</summary>
public sealed class WebPageTests : IAsyncLifetime
{
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Theory]
    // What browsers set and pages cannot: recent ones, older ones, and a file opened from disk.
    [InlineData("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Origin", "https://evil.example")]
    [InlineData(
        "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin",
        "https://evil.example")]
    [InlineData("Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Origin", "http://127.0.0.1:3000")]
    [InlineData("Sec-Fetch-Site", "something-new")]
    [InlineData("Origin", "http://evil.example")]
    [InlineData("Origin", "http://127.0.0.1:3000")]
    [InlineData("Origin", "null")]
    public async Task Page_of_another_site_cannot_write(params string[] headers)
    {
        var digest = await _rig.PushManifestAsync("stage/app", "v1");
        var promotion = JsonContent.Create(new { from = $"stage/app@{digest}", to = "team/app:latest" });

        await AssertRefusedAsync(HttpMethod.Post, "/-/promote", promotion, headers);
        await AssertRefusedAsync(HttpMethod.Post, "/v2/team/app/blobs/uploads/", null, headers);
        await AssertRefusedAsync(
            HttpMethod.Post, $"/v2/team/app/blobs/uploads/?digest={Digest.Of("x"u8)}", new ByteArrayContent([120]), headers);
        await AssertRefusedAsync(
            HttpMethod.Put, "/v2/team/app/manifests/latest", new ByteArrayContent(GatewayRig.ManifestBytes()), headers);
        await AssertRefusedAsync(HttpMethod.Delete, $"/v2/stage/app/manifests/{digest}", null, headers);
        using var tags = await _rig.SendAsync("GET", "/v2/team/app/tags/list");
        Assert.Equal(404, (int)tags.StatusCode);
    }

    [Theory]
    [InlineData("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image")]
    [InlineData("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe")]
    [InlineData("Origin", "https://evil.example")]
    public async Task Page_of_another_site_cannot_pull_or_reach_the_operator_port(params string[] headers)
    {
        await AssertRefusedAsync(HttpMethod.Get, "/v2/stage/app/manifests/v1", null, headers);
        Assert.Equal(403, await AskOperatorAsync(HttpMethod.Get, "/metrics", headers));
        Assert.Equal(403, await AskOperatorAsync(HttpMethod.Get, "/api/v1/stats", headers));
        Assert.Equal(403, await AskOperatorAsync(HttpMethod.Post, "/api/v1/purge", headers));
    }

    [Theory]
    [InlineData("Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")]
    [InlineData("Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")]
    [InlineData("Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty")]
    public async Task Followed_link_in_a_browser_is_answered(params string[] headers)
    {
        Assert.Equal(200, await AskAsync(HttpMethod.Get, "/v2/", null, headers));
        Assert.Equal(200, await AskOperatorAsync(HttpMethod.Get, "/metrics", headers));
    }

    [Fact]
    public async Task Page_of_the_gateway_itself_is_same_site() =>
        Assert.Equal(
            202, await AskAsync(HttpMethod.Post, "/v2/a/blobs/uploads/", null, ["Origin", _rig.Url.GetLeftPart(UriPartial.Authority)]));

    /// <summary>What a form sends, or a script without leave of the other side; a registry client sends none of them.</summary>
    [Theory]
    [InlineData("text/plain")]
    [InlineData("text/plain; charset=UTF-8")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("Multipart/Form-Data; boundary=x")]
    public async Task Form_content_types_are_refused_for_push_and_promotion(string type)
    {
        var digest = await _rig.PushManifestAsync("stage/app", "v1");
        var promotion = $$"""{"from":"stage/app@{{digest}}","to":"team/app:latest"}""";
        Assert.Equal(415, await AskAsync(HttpMethod.Post, "/-/promote", Typed(promotion, type), []));
        Assert.Equal(415, await AskAsync(HttpMethod.Post, "/-/policy/evaluate", Typed("{}", type), []));
        Assert.Equal(415, await AskAsync(HttpMethod.Post, $"/v2/team/app/blobs/uploads/?digest={Digest.Of("x"u8)}", Typed("x", type), []));
        using var tags = await _rig.SendAsync("GET", "/v2/team/app/tags/list");
        Assert.Equal(404, (int)tags.StatusCode);
    }

    [Fact]
    public async Task Promotion_without_JSON_content_type_is_refused()
    {
        var digest = await _rig.PushManifestAsync("stage/app", "v1");
        var promotion = $$"""{"from":"stage/app@{{digest}}","to":"team/app:latest"}""";
        Assert.Equal(415, await AskAsync(HttpMethod.Post, "/-/promote", new ByteArrayContent(Encoding.UTF8.GetBytes(promotion)), []));
        Assert.Equal(201, await AskAsync(HttpMethod.Post, "/-/promote", Typed(promotion, "application/json; charset=utf-8"), []));
    }

    [Theory]
    [InlineData("evil.example", 421)]
    [InlineData("evil.example:5000", 421)]
    [InlineData("127.0.0.1.evil.example", 421)]
    [InlineData("localhost.evil.example", 421)]
    [InlineData("evil.example.", 421)]
    [InlineData("localhost:5000", 200)]
    [InlineData("registry.localhost:5000", 200)]
    [InlineData("127.0.0.1", 200)]
    [InlineData("[::1]:5000", 200)]
    [InlineData("gateway:5000", 200)]
    public async Task Gateway_without_access_rules_answers_only_to_its_own_names(string host, int expected) =>
        Assert.Equal(expected, await AskAsync(HttpMethod.Get, "/v2/", null, ["Host", host]));

    [Fact]
    public async Task Names_of_the_configuration_are_the_gateways_own()
    {
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Listen = [options.Listen[0], options.Listen[0] with { Hosts = ["one.example", "127.0.0.1"] }],
            PublicUrl = new("https://two.example"),
            Routes = [new() { Prefix = "three", Hosts = ["three.example"] }, new() { Prefix = "" }],
        });
        foreach (var (listener, host, expected) in ((int, string, int)[])[
            (0, "Two.Example", 200), (0, "three.example:80", 200), (0, "one.example", 421),
            (1, "one.example", 200), (1, "two.example", 421)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(rig.Listening[listener], "/v2/"));
            request.Headers.Host = host;
            using var answer = await rig.Client.SendAsync(request);
            Assert.Equal((host, expected), (host, (int)answer.StatusCode));
        }
    }

    [Fact]
    public async Task Gateway_with_access_rules_answers_to_any_name()
    {
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Access = new() { Rules = [new(["anonymous"], ["**"], AccessActions.Pull)] },
        });
        using var answer = await rig.SendAsync("GET", "/v2/_catalog", null, ("Host", "registry.example"));
        Assert.Equal(200, (int)answer.StatusCode);
    }

    /// <summary>
    /// A page that points its own name at the gateway is of one site with it for the browser, which sends its <c>Origin</c> with every
    /// write.
    /// </summary>
    [Theory]
    [InlineData("evil.example", "http://evil.example", 421)]
    [InlineData("evil.example:5000", "http://evil.example:5000", 421)]
    [InlineData("registry.example", "https://registry.example", 202)]
    [InlineData("registry.example", null, 202)]
    [InlineData("another.example", null, 202)]
    [InlineData("127.0.0.1:5000", "http://127.0.0.1:5000", 202)]
    public async Task Page_under_its_own_name_cannot_write_to_an_open_gateway(string host, string? origin, int expected)
    {
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Access = new() { Rules = [new(["anonymous"], ["**"], AccessActions.All)] },
            PublicUrl = host.StartsWith("registry", StringComparison.Ordinal) ? new("https://registry.example") : null,
        });
        string[] headers = origin is null ? ["Host", host] : ["Host", host, "Origin", origin, "Sec-Fetch-Site", "same-origin"];
        Assert.Equal(expected, await AskAsync(rig.Url, HttpMethod.Post, "/v2/team/app/blobs/uploads/", null, headers));
        if (origin is not null)
            Assert.Equal(expected, await AskAsync(rig.Url, HttpMethod.Post, "/v2/team/app/blobs/uploads/", null, headers[..4]));
    }

    private async Task AssertRefusedAsync(HttpMethod method, string path, HttpContent? content, string[] headers) =>
        Assert.Equal((path, 403), (path, await AskAsync(method, path, content, headers)));

    private Task<int> AskAsync(HttpMethod method, string path, HttpContent? content, string[] headers) =>
        AskAsync(_rig.Url, method, path, content, headers);

    private Task<int> AskOperatorAsync(HttpMethod method, string path, string[] headers)
    {
        var content = method == HttpMethod.Post ? JsonContent.Create(new { what = "a/**", dryRun = true }) : null;
        return AskAsync(_rig.Operator, method, path, content, headers);
    }

    private async Task<int> AskAsync(Uri server, HttpMethod method, string path, HttpContent? content, string[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(server, path)) { Content = content };
        foreach (var pair in headers.Chunk(2)) Assert.True(request.Headers.TryAddWithoutValidation(pair[0], pair[1]));
        using var answer = await _rig.Client.SendAsync(request);
        return (int)answer.StatusCode;
    }

    private static ByteArrayContent Typed(string body, string type)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        Assert.True(content.Headers.TryAddWithoutValidation("Content-Type", type));
        return content;
    }
}
