using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// deploy/compose without containers: the lab's own configuration, script, scrape configuration, alert rules and dashboard, with Debian's
/// registry, clients and Prometheus.
/// </summary>
public sealed class LabTests : IAsyncLifetime
{
    private static readonly string Lab = Path.Combine(RigFolder.Repository, "deploy", "compose");

    private static readonly string Script = Path.Combine(Lab, "client", "lab.sh");

    private readonly Client _client = new();
    private DockerRegistry _registry = null!;
    private GatewayProcess _gateway = null!;
    private Server _wire = null!;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(_client.Folder["lab"]);
        Directory.CreateDirectory(_client.Folder["switch"]);
        // The image has Debian's cosign 2 under its own name.
        _client.Folder.Write("bin/cosign", $"#!/bin/sh\nexec {RigFolder.Root}/bin/cosign2 \"$@\"\n");
        File.SetUnixFileMode(_client.Folder["bin/cosign"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        _client.Environment["PATH"] = $"{_client.Folder["bin"]}:{_client.Surroundings()["PATH"]}";
        _client.Environment["LAB"] = _client.Folder["lab"];
        _client.Environment["SWITCH"] = _client.Folder["switch"];
        (await ScriptAsync("setup", _client.Folder["lab"])).Succeeded();
        _registry = await DockerRegistry.StartAsync();
        var wire = FreePorts.Next();
        _wire = Server.Start(
            Script, ["wire", $"{wire}", _registry.Host], new Dictionary<string, string>
            {
                ["SWITCH"] = _client.Folder["switch"], ["PATH"] = _client.Surroundings()["PATH"],
            });
        var yaml = (await File.ReadAllTextAsync(Path.Combine(Lab, "gateway", "gateway.yaml")))
            .Replace("/lab/", _client.Folder["lab"] + "/", StringComparison.Ordinal)
            .Replace("http://wire:5000", $"http://127.0.0.1:{wire}", StringComparison.Ordinal);
        // The rig's gateway has its own addresses.
        _gateway = await GatewayProcess.StartAsync(Regex.Replace(yaml, "(?m)^(listen|operator):.*$", ""));
        _client.Environment["OPERATOR"] = _gateway.Operator.Authority;
        _client.Environment["VOLUME"] = _gateway.Storage;
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
            await _gateway.DisposeAsync();
        // A signal, so that it ends its forwarder too.
        if (_wire is not null)
        {
            await _wire.StopAsync();
            await _wire.DisposeAsync();
        }
        if (_registry is not null)
            await _registry.DisposeAsync();
        _client.Dispose();
    }

    [Fact]
    public async Task Client_plays_the_lab_to_its_end_and_every_query_of_the_dashboard_has_a_result()
    {
        await using var prometheus = await Prometheus.StartAsync(
            Path.Combine(Lab, "prometheus"), _gateway.Operator, _client.Folder["lab/operator-token"]);

        var said = (await ScriptAsync("try", _gateway.Host, _registry.Host)).Succeeded().Stdout;

        foreach (var expected in (string[])[
            "accepted, and the registry behind has it", "denied: policy rule 'artifactTypes'", "accepted; the gateway holds it",
            "denied: pending since", "every caller can pull it", "Cache-Status: gateway; hit", "during the outage",
            "back: pushed team/app", "collected sha256:", "healed sha256:", "verdict=\"quarantine\"", "== done"])
            Assert.Contains(expected, said, StringComparison.Ordinal);
        // Rates need two scrapes.
        await Eventually.TrueAsync(
            async () => (await prometheus.QueryAsync("rate(gateway_policy_verdicts_total[1m])")).Length > 0, () => prometheus.Log);
        foreach (var (title, query) in Queries())
            Assert.True((await prometheus.QueryAsync(query)).Length > 0, $"{title}: {query}");
        Assert.Empty(await prometheus.AlertsAsync());
    }

    [Fact]
    public async Task Alert_is_raised_while_the_registry_is_away_and_while_the_gateway_is_away()
    {
        await using var prometheus = await Prometheus.StartAsync(
            Path.Combine(Lab, "prometheus"), _gateway.Operator, _client.Folder["lab/operator-token"]);
        await _registry.StopAsync();
        await Eventually.TrueAsync(
            async () =>
            {
                using var http = new HttpClient();
                (await http.GetAsync(new Uri($"http://{_gateway.Host}/v2/team/app/manifests/v{Guid.NewGuid():N}"))).Dispose();
                return (await prometheus.AlertsAsync()).Contains("GatewayUpstreamDown");
            },
            () => prometheus.Log);

        await _gateway.Server.KillAsync();

        await Eventually.TrueAsync(async () => (await prometheus.AlertsAsync()).Contains("GatewayDown"), () => prometheus.Log);
    }

    [Fact]
    public async Task Compose_file_and_alert_rules_are_valid()
    {
        (await _client.RunAsync("docker-compose", "--file", Path.Combine(Lab, "compose.yaml"), "config", "--quiet")).Succeeded();
        (await _client.RunAsync("promtool", "check", "rules", Path.Combine(Lab, "prometheus", "alerts.yml"))).Succeeded();
    }

    private Task<Output> ScriptAsync(params string[] arguments) => _client.RunFileAsync(Script, arguments);

    private static IEnumerable<(string Title, string Query)> Queries()
    {
        var dashboard = JsonNode.Parse(File.ReadAllText(Path.Combine(Lab, "grafana", "dashboards", "gateway.json")))!;
        return dashboard["panels"]!.AsArray().SelectMany(static panel => panel!["targets"]!.AsArray().Select(target => (
            panel["title"]!.GetValue<string>(),
            target!["expr"]!.GetValue<string>()
                .Replace("$__rate_interval", "1m", StringComparison.Ordinal).Replace("$instance", ".*", StringComparison.Ordinal))));
    }
}
