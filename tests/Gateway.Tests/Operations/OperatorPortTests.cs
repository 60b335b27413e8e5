using System.Diagnostics;
using System.Text.Json;
using Gateway.Operations;
using Xunit;

namespace Gateway.Tests.Operations;

[Collection(ProcessWide.Name)]
public sealed class OperatorPortTests
{
    private static readonly Dictionary<string, Func<string?>> Nothing = [];

    [Fact]
    public async Task Probes_and_metrics_are_only_on_the_operator_port()
    {
        await using var rig = await GatewayRig.StartAsync();

        foreach (var path in new[] { "/livez", "/readyz", "/metrics" })
        {
            using var there = await rig.Client.GetAsync(new Uri(rig.Operator, path));
            using var here = await rig.SendAsync("GET", path);
            Assert.Equal((path, 200, 404), (path, (int)there.StatusCode, (int)here.StatusCode));
        }
        using var registry = await rig.Client.GetAsync(new Uri(rig.Operator, "/v2/"));
        Assert.Equal(404, (int)registry.StatusCode);
    }

    [Theory]
    [InlineData("evil.example", 403)]
    [InlineData("127.0.0.1.evil.example", 403)]
    [InlineData("localhost:5001", 200)]
    [InlineData("[::1]", 200)]
    public async Task Metrics_refuse_requests_of_web_pages(string host, int expected)
    {
        await using var rig = await GatewayRig.StartAsync();

        Assert.Equal(expected, await AskAsync(rig, "/metrics", null, host));
        Assert.Equal(200, await AskAsync(rig, "/readyz", null, host));
    }

    [Fact]
    public async Task Caller_without_the_token_learns_only_liveness_and_readiness()
    {
        using var file = new TokenOnDisk("0123456789abcdef");
        await using var rig = await GatewayRig.StartAsync(o => o with { Operator = o.Operator with { TokenFile = file.Path } });

        foreach (var path in (string[])["/metrics", "/api/v1/stats", "/nothing", "/"])
        {
            Assert.Equal((path, 401), (path, await AskAsync(rig, path)));
            Assert.NotEqual((path, 401), (path, await AskAsync(rig, path, "Bearer 0123456789abcdef")));
        }
        foreach (var wrong in (string[])["Bearer 0123456789abcdee", "Basic MDEyMzQ1Njc4OWFiY2RlZjo="])
            Assert.Equal((401, 401), (await AskAsync(rig, "/metrics", wrong), await AskAsync(rig, "/api/v1/stats", wrong)));
        Assert.Equal(200, await AskAsync(rig, "/metrics", "bearer 0123456789abcdef", "gateway.example"));
        Assert.Equal((200, 200), (await AskAsync(rig, "/livez"), await AskAsync(rig, "/readyz?verbose")));
        Assert.Equal("ok\n", await rig.Client.GetStringAsync(new Uri(rig.Operator, "/readyz?verbose")));
    }

    /// <summary>People choose tokens too. The fourth wrong one of an address waits 250 ms, the fifth 500 ms.</summary>
    [Fact]
    public async Task Guessing_the_token_is_slow_by_header_and_by_form()
    {
        using var file = new TokenOnDisk("0123456789abcdef");
        await using var rig = await GatewayRig.StartAsync(o => o with { Operator = o.Operator with { TokenFile = file.Path } });
        var begun = Stopwatch.GetTimestamp();

        for (var i = 0; i < 3; i++) Assert.Equal(401, await AskAsync(rig, "/metrics", $"Bearer 0123456789abcde{i}"));
        // Its answer is another one than to the right token.
        Assert.Equal(200, await AskAsync(rig, "/readyz?verbose", "Bearer 0123456789abcdee"));
        using var form = new HttpRequestMessage(HttpMethod.Post, new Uri(rig.Operator, "/login"))
        {
            Headers = { { "Accept", "text/html" } },
            Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["password"] = "wrong" }),
        };
        using var answer = await rig.Client.SendAsync(form);

        Assert.Equal(401, (int)answer.StatusCode);
        Assert.InRange(Stopwatch.GetElapsedTime(begun), TimeSpan.FromMilliseconds(740), TimeSpan.MaxValue);
        Assert.Equal(200, await AskAsync(rig, "/metrics", "Bearer 0123456789abcdef"));
    }

    [Fact]
    public async Task Changed_token_applies_at_once_and_a_missing_one_refuses_every_request()
    {
        using var file = new TokenOnDisk("0123456789abcdef");
        await using var rig = await GatewayRig.StartAsync(o => o with { Operator = o.Operator with { TokenFile = file.Path } });

        await File.WriteAllTextAsync(file.Path, "fedcba9876543210\n");
        Assert.Equal(401, await AskAsync(rig, "/metrics", "Bearer 0123456789abcdef"));
        Assert.Equal(200, await AskAsync(rig, "/metrics", "Bearer fedcba9876543210"));

        await File.WriteAllTextAsync(file.Path, "");
        Assert.Equal(503, await AskAsync(rig, "/metrics", "Bearer "));
        File.Delete(file.Path);
        Assert.Equal(503, await AskAsync(rig, "/metrics", "Bearer fedcba9876543210"));
    }

    private static async Task<int> AskAsync(GatewayRig rig, string path, string? authorization = null, string? host = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(rig.Operator, path));
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        request.Headers.Host = host;
        using var answer = await rig.Client.SendAsync(request);
        return (int)answer.StatusCode;
    }

    private sealed class TokenOnDisk : IDisposable
    {
        public TokenOnDisk(string token) => File.WriteAllText(Path, token);

        public string Path { get; } = System.IO.Path.GetTempFileName();

        public void Dispose() => File.Delete(Path);
    }

    [Fact]
    public async Task Requests_are_counted_with_the_documented_labels()
    {
        await using var rig = await GatewayRig.StartAsync();
        (await rig.SendAsync("GET", "/v2/a/tags/list")).Dispose();
        (await rig.SendAsync("BREW", "/v2/")).Dispose();

        await ScrapeUntilAsync(
            rig, s => s is { Name: "gateway_http_requests_total", Labels: "code=\"404\",method=\"GET\",route=\"tags\"" });
        var scrape = await ScrapeUntilAsync(
            rig, s => s is { Name: "gateway_http_requests_total", Labels: "code=\"405\",method=\"OTHER\",route=\"ping\"" });
        Assert.Equal("histogram", scrape.Types["gateway_http_request_duration_seconds"]);
        Assert.Equal("counter", scrape.Types["gateway_http_response_bytes_total"]);
        Assert.Equal("gauge", scrape.Types["gateway_http_requests_in_flight"]);
        Assert.Equal("gauge", scrape.Types["gateway_disk_free_bytes"]);
        Assert.Contains("gateway_build_info", scrape.Types.Keys);
        Assert.Contains(scrape.Types.Keys, name => name.StartsWith("kestrel_", StringComparison.Ordinal));
        Assert.Contains(scrape.Types.Keys, name => name.StartsWith("dotnet_", StringComparison.Ordinal));
    }

    // A request is counted when it is over, which its client may know first.
    private static async Task<PrometheusReader> ScrapeUntilAsync(
        GatewayRig rig, Predicate<(string Name, string Labels, double Value)> found)
    {
        using var deadline = Patience.Limit(30);
        while (true)
        {
            var scrape = PrometheusReader.Read(await rig.Client.GetStringAsync(new Uri(rig.Operator, "/metrics"), deadline.Token));
            if (scrape.Samples.Exists(found)) return scrape;
            await Task.Delay(TimeSpan.FromMilliseconds(20), deadline.Token);
        }
    }

    [Fact]
    public void Failing_check_makes_the_gateway_unready_with_the_reason()
    {
        var checks = new Dictionary<string, Func<string?>> { ["storage"] = () => "the volume is full", ["other"] = () => null };
        var health = new Health(checks, Nothing);

        var problems = health.Problems();
        using var told = JsonDocument.Parse(health.ToJson(problems));
        Assert.Equal(("storage", "the volume is full"), Assert.Single(problems));
        Assert.Equal("the volume is full", told.RootElement.GetProperty("checks").GetProperty("storage").GetString());
        Assert.Equal("ok", told.RootElement.GetProperty("checks").GetProperty("other").GetString());
    }

    [Fact]
    public async Task Rejected_configuration_is_a_warning_and_not_unready()
    {
        await using var rig = await GatewayRig.StartAsync();
        Assert.Empty(await WarningsAsync());

        rig.Reloaded("gateway.yaml:3:1: cahce: no such key\nbut cache");
        Assert.Equal(
            [("configuration", "the last configuration read is not in force: gateway.yaml:3:1: cahce: no such key\\u000abut cache")],
            await WarningsAsync());
        Assert.Equal("ok\n", await rig.Client.GetStringAsync(new Uri(rig.Operator, "/readyz")));

        rig.Reloaded(null);
        Assert.Empty(await WarningsAsync());

        async Task<(string, string?)[]> WarningsAsync()
        {
            using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, "/readyz?verbose"));
            using var told = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
            Assert.Equal((200, true), ((int)answer.StatusCode, told.RootElement.GetProperty("ready").GetBoolean()));
            return [.. told.RootElement.GetProperty("warnings").EnumerateObject().Select(each => (each.Name, each.Value.GetString()))];
        }
    }

    [Fact]
    public void Stopping_gateway_accepts_no_new_connections()
    {
        var health = new Health(Nothing, Nothing);
        health.BeginStopping();

        Assert.Equal("process", Assert.Single(health.Problems()).Check);
    }
}
