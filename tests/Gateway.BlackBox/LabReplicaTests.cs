using System.Text.RegularExpressions;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// deploy/compose/compose.replicas.yaml without containers: two gateways with the settings of that file, Debian's Redis and haproxy, and
/// the lab's script, which kills one gateway in the middle.
/// </summary>
public sealed partial class LabReplicaTests
{
    private static readonly string Lab = Path.Combine(RigFolder.Repository, "deploy", "compose");

    private static readonly string Script = Path.Combine(Lab, "client", "lab.sh");

    [Fact]
    public async Task Pulls_by_two_gateways_go_on_when_one_is_killed_in_the_middle()
    {
        using var client = new Client();
        Directory.CreateDirectory(client.Folder["lab"]);
        client.Folder.Write("bin/cosign", $"#!/bin/sh\nexec {RigFolder.Root}/bin/cosign2 \"$@\"\n");
        File.SetUnixFileMode(client.Folder["bin/cosign"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var path = $"{client.Folder["bin"]}:{client.Surroundings()["PATH"]}";
        (client.Environment["PATH"], client.Environment["LAB"]) = (path, client.Folder["lab"]);
        (await client.RunFileAsync(Script, "setup", client.Folder["lab"])).Succeeded();
        await using var registry = await DockerRegistry.StartAsync();
        await using var redis = await RedisServer.StartAsync();
        var gateways = await Task.WhenAll(
            GatewayAsync("gateway", client.Folder["lab"], registry, redis),
            GatewayAsync("gateway-2", client.Folder["lab"], registry, redis));
        await using var one = gateways[0];
        await using var two = gateways[1];
        var port = Server.FreePort();
        await using var front = Server.Start(
            Script, ["front", $"{port}", one.Host, two.Host], new Dictionary<string, string> { ["PATH"] = path });
        using var http = new HttpClient();
        await Eventually.TrueAsync(async () => await IsAnsweredAsync(http, new($"http://127.0.0.1:{port}/v2/")), () => front.Tail());
        client.Environment["KILL"] = $"kill -9 {two.Server.Id}";

        var said = (await client.RunFileAsync(Script, "replicas", $"127.0.0.1:{port}", registry.Host, one.Operator.Authority))
            .Succeeded().Stdout;

        Assert.Contains("killed one", said, StringComparison.Ordinal);
        Assert.Contains("pulled 12 of 12", said, StringComparison.Ordinal);
        Assert.Contains("\"isReachable\":true", said, StringComparison.Ordinal);
        Assert.True(two.Server.HasExited, "expected the second gateway to be killed");
    }

    [Fact]
    public async Task Compose_file_of_two_gateways_is_valid()
    {
        using var client = new Client();

        (await client.RunAsync(
            "docker-compose", "--file", Path.Combine(Lab, "compose.yaml"), "--file", Path.Combine(Lab, "compose.replicas.yaml"), "config",
            "--quiet")).Succeeded();
    }

    /// <summary>A gateway with the settings that the compose file gives a service, at addresses of this test.</summary>
    private static async Task<GatewayProcess> GatewayAsync(string service, string lab, DockerRegistry registry, RedisServer redis)
    {
        var compose = await File.ReadAllTextAsync(Path.Combine(Lab, "compose.replicas.yaml"));
        var own = compose[compose.IndexOf($"\n  {service}:\n", StringComparison.Ordinal)..];
        var listen = Server.FreePort();
        var settings = Setting().Matches(own).Take(4).ToDictionary(
            static match => match.Groups[1].Value,
            match => match.Groups[2].Value.Replace("redis:6379", redis.Address, StringComparison.Ordinal)
                .Replace("0.0.0.0:5002", $"127.0.0.1:{listen}", StringComparison.Ordinal)
                .Replace($"{service}:5002", $"127.0.0.1:{listen}", StringComparison.Ordinal)
                .Replace("/lab/", lab + "/", StringComparison.Ordinal));
        var yaml = (await File.ReadAllTextAsync(Path.Combine(Lab, "gateway", "gateway.yaml")))
            .Replace("/lab/", lab + "/", StringComparison.Ordinal)
            .Replace("http://wire:5000", registry.Url.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal);
        return await GatewayProcess.StartAsync(Regex.Replace(yaml, "(?m)^(listen|operator):.*$", ""), environment: settings);
    }

    private static async Task<bool> IsAnsweredAsync(HttpClient http, Uri address)
    {
        try
        {
            using var answer = await http.GetAsync(address);
            return (int)answer.StatusCode is 200 or 401;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"(GATEWAY__\w+): (\S+)")]
    private static partial Regex Setting();
}
