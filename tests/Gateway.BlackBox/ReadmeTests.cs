using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// Runs the README's tour as one script: every block in order, with the real clients. Each printed line is compared with the page. The test
/// uses its own ports. A docker-registry with two small images replaces Docker Hub, and the same program without a container replaces the
/// container of <c>registry:2</c>.
/// </summary>
public sealed class ReadmeTests : IAsyncLifetime
{
    private readonly Client _client = new();
    private readonly List<Server> _servers = [];
    private readonly Dictionary<string, string> _ports = [];
    private DockerRegistry _hub = null!;
    private Dockerd _docker = null!;

    public async ValueTask InitializeAsync()
    {
        foreach (var port in new[] { 5000, 5001, 5010, 5011, 5020, 5021, 5022 })
            _ports[$"127.0.0.1:{port}"] = $"127.0.0.1:{FreePorts.Next()}";
        _hub = await DockerRegistry.StartAsync();
        foreach (var (seed, image) in new[] { "library/alpine:latest", "library/nginx:1.27" }.Index())
        {
            var layout = _client.Folder[$"image{seed}"];
            OciLayout.SmallImage(layout, seed: seed);
            (await _client.SkopeoAsync("copy", "--dest-tls-verify=false", $"oci:{layout}:1", $"docker://{_hub.Host}/{image}")).Succeeded();
        }
        File.CreateSymbolicLink($"{Directory.CreateDirectory(_client.Folder["bin"])}/cosign", RigFolder.Program("cosign3"));
        _client.Folder.Write("home/.config/containers/policy.json", """{ "default": [{ "type": "insecureAcceptAnything" }] }""");
        _docker = await Dockerd.StartAsync(_client, "{}", containerdStore: false, "http://127.0.0.1:9");
        _client.Environment["DOCKER_HOST"] = _docker.Host;
        _client.Environment["PATH"] = $"{_client.Folder["bin"]}:{_client.Surroundings()["PATH"]}";
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers) await server.DisposeAsync();
        await _docker.DisposeAsync();
        await _hub.DisposeAsync();
        _client.Dispose();
    }

    [Fact]
    public async Task Every_block_of_the_tour_does_what_the_page_shows()
    {
        var folder = Directory.CreateDirectory(_client.Folder["checkout"]).FullName;
        // The commands run in a checkout, with the built program on the path. The test's own folder has what the tour creates.
        File.CreateSymbolicLink(Path.Combine(folder, "src"), Path.Combine(RigFolder.Repository, "src"));
        var yaml = await File.ReadAllTextAsync(Path.Combine(RigFolder.Repository, "gateway.yaml"));
        var (ours, hub) = (Ours(yaml), "  docker.io:\n");
        Assert.Contains(hub, ours, StringComparison.Ordinal);
        await File.WriteAllTextAsync(
            Path.Combine(folder, "gateway.yaml"), ours.Replace(hub, $"{hub}    url: \"{_hub.Url}\"\n", StringComparison.Ordinal));
        await ServeAsync(folder, _ports["127.0.0.1:5001"]);
        await using var shell = new TourShell(_client, folder);

        var blocks = Tour.Blocks();
        Assert.True(blocks.Length >= 19, $"expected at least 19 blocks in the tour, got {blocks.Length}");
        var sign = Array.Find(blocks, block => block.Title == "Sign and verify")!;
        var again = sign with { Lines = [.. sign.Lines.Where(l => !l.Contains("generate-key-pair", StringComparison.Ordinal))] };
        foreach (var block in blocks)
        {
            if (block.IsYaml) await ConfigureAsync(shell, block);
            else await FollowAsync(shell, block, folder);
            // Configuration from later blocks must not break earlier ones.
            if (block is { Title: "Refuse", IsYaml: false }) await FollowAsync(shell, again, folder);
        }
    }

    // A section is appended to the existing file. A complete file is for a new gateway, which is started with it.
    private async Task ConfigureAsync(TourShell shell, TourBlock block)
    {
        var folder = (await shell.RunAsync("pwd -P")).Succeeded().Text.Trim();
        var (file, text) = (Path.Combine(folder, "gateway.yaml"), Ours(string.Join('\n', block.Lines) + "\n"));
        if (File.Exists(file))
        {
            await File.AppendAllTextAsync(file, text);
            return;
        }
        await File.WriteAllTextAsync(file, text);
        const string Operator = "operator: http://";
        await ServeAsync(folder, text.Split('\n').Single(line => line.StartsWith(Operator, StringComparison.Ordinal))[Operator.Length..]);
    }

    private async Task FollowAsync(TourShell shell, TourBlock block, string checkout)
    {
        foreach (var (command, expected) in block.Commands())
        {
            // A new folder beside the existing ones.
            var ours = command.StartsWith("mkdir ", StringComparison.Ordinal) ? $"cd '{checkout}' && {command}" : Ours(command);
            if (ours.StartsWith("docker run ", StringComparison.Ordinal))
            {
                await ServeRegistryAsync(_ports["127.0.0.1:5022"]);
                continue;
            }
            var last = await shell.RunAsync(ours);
            // A changed configuration is in force a moment after it was written.
            if (block.Title == "Refuse")
            {
                await Patience.UntilAsync(
                    async () => Tour.Shows(expected, last.Text) || Tour.Shows(expected, (last = await shell.RunAsync(ours)).Text),
                    Shown, seconds: 20);
            }
            else
            {
                if (!block.ShowsOutput) last.Succeeded();
                Assert.True(Tour.Shows(expected, last.Text), Shown());
            }

            string Shown() => $"'{block.Title}' shows:\n{string.Join('\n', expected)}\n\nprinted by {ours}:\n{last.Text}";
        }
    }

    private string Ours(string text) => _ports.Aggregate(text, (so, port) => so.Replace(port.Key, port.Value, StringComparison.Ordinal));

    private async Task ServeAsync(string folder, string operatorAddress)
    {
        var server = Server.Start("bash", ["-c", $"cd '{folder}' && exec dotnet '{GatewayProcess.Assembly}' serve"]);
        _servers.Add(server);
        await server.WaitUntilReadyAsync(new Uri($"http://{operatorAddress}/readyz"), Patience.Of(60));
    }

    private async Task ServeRegistryAsync(string address)
    {
        var file = _client.Folder.Write("registry2.yml", $$"""
            version: 0.1
            storage: { filesystem: { rootdirectory: "{{_client.Folder["registry2"]}}" } }
            http: { addr: "{{address}}" }
            """);
        var server = Server.Start(RigFolder.Program("docker-registry"), ["serve", file]);
        _servers.Add(server);
        await server.WaitUntilReadyAsync(new Uri($"http://{address}/v2/"), Patience.Of(30));
    }
}
