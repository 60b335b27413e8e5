using System.Text.Json;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Managing the cache by the command line, with Debian's docker-registry as the upstream.</summary>
public sealed class CacheTests : IAsyncLifetime
{
    private const string Image = "team/app";

    private readonly Client _client = new();
    private DockerRegistry _upstream = null!;
    private GatewayProcess _gateway = null!;
    private OciLayout _layout = null!;

    public async ValueTask InitializeAsync()
    {
        (_layout, _) = OciLayout.SmallImage(_client.Folder["image"]);
        _upstream = await DockerRegistry.StartAsync();
        (await _client.CraneAsync("push", "--insecure", _layout.Root, $"{_upstream.Host}/{Image}:1")).Succeeded();
        _gateway = await GatewayProcess.StartAsync($$"""
            upstreams: { corp: { url: "http://{{_upstream.Host}}", referrers: on-demand } }
            cache: { maxSize: 100MiB, keepFree: 1MiB }
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _upstream.DisposeAsync();
        _client.Dispose();
    }

    private Task<Output> GatewayAsync(params string[] arguments) =>
        _client.RunAsync("dotnet", [GatewayProcess.Assembly, .. arguments, "--config", _gateway.ConfigurationFile]);

    private async Task PullAsync(string to) => (await _client.SkopeoAsync(
        "copy", "--src-tls-verify=false", $"docker://{_gateway.Host}/corp/{Image}:1", $"oci:{_client.Folder[to]}:1")).Succeeded();

    private int Gets => _upstream.Requests.Count(request => request.StartsWith("GET /v2/team/", StringComparison.Ordinal));

    [Fact]
    public async Task Image_of_a_deployment_is_prefetched_and_then_pulled_without_the_upstream()
    {
        _client.Folder.Write("deployment.yaml", $"spec: {{ template: {{ spec: {{ containers: [ {{ image: corp/{Image}:1 }} ] }} }} }}\n");

        var output = (await GatewayAsync("prefetch", "--from", _client.Folder["deployment.yaml"])).Succeeded();

        Assert.Contains($"fetched  corp/{Image}:1", output.Stdout, StringComparison.Ordinal);
        await _upstream.StopAsync();
        await PullAsync("pulled");
        Assert.Equal(OciLayout.DigestsIn(_layout.Root), OciLayout.DigestsIn(_client.Folder["pulled"]));
    }

    [Fact]
    public async Task Purged_image_is_fetched_again_and_stats_show_both()
    {
        await PullAsync("first");
        var (before, entries) = (Gets, 4);
        await Eventually.TrueAsync(async () => await EntriesAsync() == entries, () => _gateway.Log);

        (await GatewayAsync("purge", $"corp/{Image}:1", "--dry-run")).Succeeded();
        Assert.Equal(entries, await EntriesAsync());
        (await GatewayAsync("purge", $"corp/{Image}:1")).Succeeded();
        Assert.Equal(0, await EntriesAsync());
        (await GatewayAsync("purge", $"corp/{Image}:1")).Failed();

        await PullAsync("second");
        Assert.Equal(2 * before, Gets);
        Assert.Equal(OciLayout.DigestsIn(_layout.Root), OciLayout.DigestsIn(_client.Folder["second"]));
    }

    private async Task<int> EntriesAsync()
    {
        using var stats = JsonDocument.Parse((await GatewayAsync("stats", "--json")).Succeeded().Stdout);
        return stats.RootElement.GetProperty("cache").GetProperty("entries").GetInt32();
    }
}
