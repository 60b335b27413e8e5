using System.Text.Json.Nodes;

namespace Gateway.BlackBox.Rig;

/// <summary>Debian's Prometheus with the configuration and the alert rules of the lab, which scrapes one gateway.</summary>
internal sealed class Prometheus : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly HttpClient _http;
    private Server? _server;

    private Prometheus()
    {
        var port = FreePorts.Next();
        _http = new() { BaseAddress = new($"http://127.0.0.1:{port}") };
    }

    /// <summary>Starts it.</summary>
    /// <param name="lab">deploy/compose/prometheus.</param>
    /// <param name="gateway">The operator port to scrape, in place of the lab's.</param>
    /// <param name="token">The file of the token.</param>
    public static async Task<Prometheus> StartAsync(string lab, Uri gateway, string token)
    {
        var prometheus = new Prometheus();
        prometheus._folder.Write("alerts.yml", await File.ReadAllTextAsync(Path.Combine(lab, "alerts.yml")));
        var configuration = (await File.ReadAllTextAsync(Path.Combine(lab, "prometheus.yml")))
            .Replace("gateway:5001", gateway.Authority, StringComparison.Ordinal)
            .Replace("/lab/operator-token", token, StringComparison.Ordinal)
            .Replace("_interval: 5s", "_interval: 1s", StringComparison.Ordinal);
        prometheus._server = Server.Start(
            RigFolder.Program("prometheus"),
            [
                $"--config.file={prometheus._folder.Write("prometheus.yml", configuration)}",
                $"--storage.tsdb.path={prometheus._folder["data"]}", $"--web.listen-address={prometheus._http.BaseAddress!.Authority}",
            ]);
        await prometheus._server.WaitUntilReadyAsync(new(prometheus._http.BaseAddress, "/-/ready"), Patience.Of(30));
        return prometheus;
    }

    /// <summary>The series of a query now.</summary>
    /// <exception cref="Xunit.Sdk.XunitException">Prometheus does not accept the query.</exception>
    public async Task<JsonNode[]> QueryAsync(string expression)
    {
        using var answer = await _http.GetAsync(new Uri($"/api/v1/query?query={Uri.EscapeDataString(expression)}", UriKind.Relative));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{expression}\n{text}");
        return [.. JsonNode.Parse(text)!["data"]!["result"]!.AsArray().Select(static each => each!)];
    }

    /// <summary>The names of the alerts that are pending or firing.</summary>
    public async Task<string[]> AlertsAsync()
    {
        var text = await _http.GetStringAsync(new Uri("/api/v1/alerts", UriKind.Relative));
        var alerts = JsonNode.Parse(text)!["data"]!["alerts"]!.AsArray();
        return [.. alerts.Select(static each => each!["labels"]!["alertname"]!.GetValue<string>())];
    }

    public string Log => _server?.Tail() ?? "";

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _http.Dispose();
        _folder.Dispose();
    }
}
