using System.Text.Json.Nodes;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>What clients do now and did lately, on the pages.</summary>
public sealed class ActivityPageTests : IAsyncLifetime
{
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Push_under_way_is_listed_with_what_was_received()
    {
        using var opened = await _rig.SendAsync("POST", "/v2/team/app/blobs/uploads/");
        using var patched = await _rig.SendAsync("PATCH", opened.Headers.Location!.ToString(), new ByteArrayContent(new byte[5000]));
        Assert.Equal(202, (int)patched.StatusCode);

        var page = await ReadAsync("activity");

        var push = Assert.Single(page["pushes"]!.AsArray())!;
        Assert.Equal(("team/app", 5000, 1), ((string)push["repository"]!, (long)push["position"]!, (int)page["uploads"]!));
        Assert.Contains("team/app", await _rig.Client.GetStringAsync(new Uri(_rig.Operator, "/activity")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_of_the_last_minute_and_their_times_are_shown()
    {
        await _rig.PushManifestAsync("team/app", "v1");
        for (var i = 0; i < 10; i++) (await _rig.SendAsync("GET", "/v2/team/app/manifests/v1")).Dispose();

        // The second in which they were counted must be over.
        JsonNode page = new JsonObject();
        await Patience.UntilAsync(
            async () => (page = await ReadAsync("activity"))["requests"]!.AsArray().Sum(static n => (int)n!) >= 10, () => $"{page}");
        Assert.Equal(60, page["requests"]!.AsArray().Count);
        var overview = await ReadAsync("overview");
        Assert.InRange((double)overview["manifests"]!["p50"]!, 0.000_1, 10_000);
        Assert.True((double)overview["manifests"]!["p99"]! >= (double)overview["manifests"]!["p50"]!);
    }

    [Fact]
    public async Task Pulls_are_shown_by_tag_and_by_repository()
    {
        var digest = await _rig.PushManifestAsync("team/app", "v1");
        Assert.Null((await ReadAsync("repositories"))["items"]![0]!["lastPull"]);
        foreach (var reference in (string[])["v1", "v1", $"{digest}", "absent"])
            (await _rig.SendAsync("GET", $"/v2/team/app/manifests/{reference}")).Dispose();

        JsonNode row = new JsonObject();
        await Patience.UntilAsync(
            async () => (int)(row = (await ReadAsync("tags?repository=team/app"))["items"]![0]!)["pulls"]!["count"]! == 3, () => $"{row}");
        Assert.NotNull((await ReadAsync("repositories"))["items"]![0]!["lastPull"]);
    }

    private async Task<JsonNode> ReadAsync(string page) =>
        JsonNode.Parse(await _rig.Client.GetStringAsync(new Uri(_rig.Operator, $"/api/v1/pages/{page}")))!;
}
