using System.Text.RegularExpressions;
using Gateway.BlackBox.Rig;
using Gateway.Testing;

namespace Gateway.BlackBox;

/// <summary>
/// deploy/compose/compose.replicas.yaml and compose.buckets.yaml without containers: two gateways with the settings of these files,
/// Debian's Redis, haproxy and moto, and the lab's script, which kills one gateway in the middle.
/// </summary>
public sealed partial class LabReplicaTests
{
    private static readonly string Lab = Path.Combine(RigFolder.Repository, "deploy", "compose");

    private static readonly string Script = Path.Combine(Lab, "client", "lab.sh");

    [Fact]
    public async Task Pulls_by_two_gateways_go_on_when_one_is_killed_in_the_middle()
    {
        var said = await PlayAsync("replicas", "compose.replicas.yaml");

        Assert.Contains("pulled 12 of 12", said, StringComparison.Ordinal);
        Assert.Contains("\"isReachable\":true", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pushes_by_two_gateways_on_a_bucket_are_there_when_one_is_killed_in_the_middle()
    {
        var said = await PlayAsync("buckets", "compose.replicas.yaml", "compose.buckets.yaml");

        foreach (var expected in (string[])[
            "accepted; the gateway holds it", "denied: pending since", "every caller can pull it", "pushed 12 of 12", "pulled 13 of 13",
            "gateway_s3_requests_total"])
            Assert.Contains(expected, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("compose.replicas.yaml")]
    [InlineData("compose.replicas.yaml", "compose.buckets.yaml")]
    public async Task Compose_files_of_two_gateways_are_valid(params string[] files)
    {
        using var client = new Client();
        string[] all = ["compose.yaml", .. files];

        (await client.RunAsync(
            "docker-compose", [.. all.SelectMany(file => (string[])["--file", Path.Combine(Lab, file)]), "config", "--quiet"])).Succeeded();
    }

    /// <summary>Runs a part of the script against two gateways, of which it kills the second; what it said.</summary>
    private static async Task<string> PlayAsync(string part, params string[] files)
    {
        using var client = new Client();
        var lab = client.Folder["lab"];
        Directory.CreateDirectory(lab);
        client.Folder.Write("bin/cosign", $"#!/bin/sh\nexec {RigFolder.Root}/bin/cosign2 \"$@\"\n");
        File.SetUnixFileMode(client.Folder["bin/cosign"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var path = $"{client.Folder["bin"]}:{client.Surroundings()["PATH"]}";
        (client.Environment["PATH"], client.Environment["LAB"]) = (path, lab);
        (await client.RunFileAsync(Script, "setup", lab)).Succeeded();
        await using var registry = await DockerRegistry.StartAsync();
        await using var redis = await RedisServer.StartAsync();
        await using var store = part == "buckets" ? await S3Server.StartMotoAsync() : null;
        if (store is not null) (await client.RunFileAsync(Script, "bucket", store.Endpoint.Authority, "images")).Succeeded();
        (string, string)[] places =
        [
            ("/lab/", lab + "/"), ("redis:6379", redis.Address), ("http://wire:5000", registry.Url.GetLeftPart(UriPartial.Authority)),
            ("store:9000", store?.Endpoint.Authority ?? ""),
        ];
        var gateways = await Task.WhenAll(((string[])["gateway", "gateway-2"]).Select(service => GatewayAsync(service, files, places)));
        await using var one = gateways[0];
        await using var two = gateways[1];
        var port = FreePorts.Next();
        await using var front = Server.Start(
            Script, ["front", $"{port}", one.Host, two.Host], new Dictionary<string, string> { ["PATH"] = path });
        using var http = new HttpClient();
        await Eventually.TrueAsync(async () => await IsAnsweredAsync(http, new($"http://127.0.0.1:{port}/v2/")), () => front.Tail());
        client.Environment["KILL"] = $"kill -9 {two.Server.Id}";
        string[] arguments = part == "buckets" ? [one.Operator.Authority] : [registry.Host, one.Operator.Authority];

        var said = (await client.RunFileAsync(Script, [part, $"127.0.0.1:{port}", .. arguments])).Succeeded().Stdout;

        Assert.Contains("killed one", said, StringComparison.Ordinal);
        Assert.True(two.Server.HasExited, "expected the second gateway to be killed");
        return said;
    }

    /// <summary>A gateway with the settings that the compose files give a service, at addresses of this test.</summary>
    private static async Task<GatewayProcess> GatewayAsync(string service, string[] files, (string Lab, string Here)[] places)
    {
        var listen = FreePorts.Next();
        var settings = new Dictionary<string, string>();
        foreach (var file in files)
        {
            var compose = await File.ReadAllTextAsync(Path.Combine(Lab, file));
            var own = compose[(compose.IndexOf($"\n  {service}:\n", StringComparison.Ordinal) + 3)..];
            foreach (Match match in Setting().Matches(Service().Split(own)[0]))
            {
                settings[match.Groups[1].Value] = Here(match.Groups[2].Value)
                    .Replace("0.0.0.0:5002", $"127.0.0.1:{listen}", StringComparison.Ordinal)
                    .Replace($"{service}:5002", $"127.0.0.1:{listen}", StringComparison.Ordinal);
            }
        }
        var yaml = Here(await File.ReadAllTextAsync(Path.Combine(Lab, "gateway", "gateway.yaml")));
        return await GatewayProcess.StartAsync(Regex.Replace(yaml, "(?m)^(listen|operator):.*$", ""), environment: settings);

        string Here(string text) =>
            places.Aggregate(text, (all, place) => all.Replace(place.Lab, place.Here, StringComparison.Ordinal));
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

    // Where the next service of a compose file begins.
    [GeneratedRegex(@"\n  \w")]
    private static partial Regex Service();
}
