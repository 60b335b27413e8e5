using Gateway.Configuration;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.Operations;

public sealed class ServedBytesTests
{
    private const int Length = 300_000;

    [Fact]
    public async Task Served_bytes_count_whole_and_range_responses_cold_and_cached()
    {
        await using var hub = await ScriptedUpstream.StartAsync();
        var image = hub.AddImage("library/nginx", "latest", ScriptedUpstream.Bytes(Length, 1));
        // Meters are the process's: a name of its own tells this gateway from the others.
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add(
                "counted", new() { Key = "counted", Urls = [hub.Url], Library = true, Referrers = ReferrersFetch.OnDemand }),
            Routes = [new() { Prefix = "counted", Upstream = "counted" }, new() { Prefix = "" }],
        });
        using var manifest = await rig.SendAsync("GET", "/v2/counted/nginx/manifests/latest");
        Assert.Equal(200, (int)manifest.StatusCode);

        await ReadAsync("bytes=0-999", 1000);
        await ReadAsync(null, Length);
        await ReadAsync(null, Length);
        await ReadAsync("bytes=-10", 10);
        using var head = await rig.SendAsync("HEAD", $"/v2/counted/nginx/blobs/{image.Layers[0]}");

        var expected = $"gateway_cache_bytes_total{{direction=\"served\",upstream=\"counted\"}} {(2 * Length) + 1010}\n";
        for (var end = Environment.TickCount64 + 30_000; ; await Task.Delay(50))
        {
            var metrics = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/metrics"));
            if (metrics.Contains(expected, StringComparison.Ordinal)) return;
            Assert.True(Environment.TickCount64 < end, $"expected {expected} in {metrics}");
        }

        async Task ReadAsync(string? range, int length)
        {
            using var answer = await rig.SendAsync(
                "GET", $"/v2/counted/nginx/blobs/{image.Layers[0]}", null, range is null ? [] : [("Range", range)]);
            Assert.Equal(length, (await answer.Content.ReadAsByteArrayAsync()).Length);
        }
    }
}
