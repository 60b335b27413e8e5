using Gateway.BlackBox.Rig;
using Scripted;

namespace Gateway.BlackBox;

/// <summary>What docs/fleets.md describes: gateways as upstreams of gateways, and haproxy's example that hashes blobs by digest.</summary>
public sealed class FleetTests
{
    [Fact]
    public async Task Zone_fetches_once_from_the_central_gateway_and_that_one_once_from_the_registry()
    {
        await using var registry = await ScriptedUpstream.StartAsync();
        var blob = registry.AddBlob("library/app", ScriptedUpstream.Bytes(1 << 20, seed: 3));
        await using var central = await GatewayProcess.StartAsync($$"""
            upstreams: { hub: { url: "{{registry.Url.ToString().TrimEnd('/')}}" } }
            routes: [{ prefix: hub, upstream: hub, hosts: [localhost] }]
            """);
        var name = central.Host.Replace("127.0.0.1", "localhost", StringComparison.Ordinal);
        var zone = $$"""
            upstreams: { hub: { url: "http://{{name}}" } }
            """;
        await using var one = await GatewayProcess.StartAsync(zone);
        await using var two = await GatewayProcess.StartAsync(zone);
        using var http = new HttpClient();

        foreach (var gateway in (GatewayProcess[])[one, one, two])
        {
            var content = await http.GetByteArrayAsync(new Uri($"http://{gateway.Host}/v2/hub/library/app/blobs/{blob}"));
            Assert.Equal(1 << 20, content.Length);
        }

        Assert.Equal(1, registry.Count(each => each.Method == "GET" && each.Reference == blob));
    }

    [Fact]
    public async Task Load_balancer_sends_each_digest_to_one_gateway_and_moves_only_those_of_a_lost_one()
    {
        var servers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ScriptedUpstream.StartAsync()));
        using var folder = new TempFolder();
        var port = FreePorts.Next();
        var text = await File.ReadAllTextAsync(Path.Combine(RigFolder.Repository, "docs/examples/fleet-haproxy.cfg"));
        for (var i = 0; i < 3; i++) text = text.Replace($"10.0.0.{i + 1}:5000", servers[i].Url.Authority, StringComparison.Ordinal);
        await using var haproxy = Server.Start(
            RigFolder.Program("haproxy"),
            ["-db", "-f", folder.Write("haproxy.cfg", text.Replace("bind :5000", $"bind 127.0.0.1:{port}", StringComparison.Ordinal))]);
        using var http = new HttpClient();
        string[] digests = [.. Enumerable.Range(0, 60).Select(i => servers[0].AddBlob("a/one", ScriptedUpstream.Bytes(100, i)))];
        foreach (var server in servers)
        {
            for (var i = 0; i < 60; i++)
            {
                server.AddBlob("a/one", ScriptedUpstream.Bytes(100, i));
                server.AddBlob("b/two", ScriptedUpstream.Bytes(100, i));
            }
        }
        int[] before = [0, 0, 0];
        await haproxy.WaitUntilReadyAsync(new($"http://127.0.0.1:{port}/v2/"), Patience.Of(30));

        foreach (var digest in digests)
        {
            foreach (var name in (string[])["a/one", "b/two"])
                (await http.GetAsync(new Uri($"http://127.0.0.1:{port}/v2/{name}/blobs/{digest}"))).EnsureSuccessStatusCode().Dispose();
        }

        var at = digests.ToDictionary(each => each, each => ServersOf(each));
        Assert.All(at, each => Assert.Single(each.Value));
        Assert.Equal([0, 1, 2], at.Values.Select(each => each[0]).Distinct().Order());
        before = [.. servers.Select(each => each.Requests.Count)];
        await servers[2].DisposeAsync();
        foreach (var digest in digests)
        {
            await Eventually.TrueAsync(
                async () => (await http.GetAsync(new Uri($"http://127.0.0.1:{port}/v2/a/one/blobs/{digest}"))).IsSuccessStatusCode,
                () => haproxy.Tail());
        }
        Assert.All(at.Where(each => each.Value[0] != 2), each => Assert.Equal(each.Value, ServersOf(each.Key)));
        await Task.WhenAll(servers[..2].Select(each => each.DisposeAsync().AsTask()));

        // Which servers were asked for a digest since then.
        int[] ServersOf(string digest) => [.. Enumerable.Range(0, 3).Where(i => servers[i].Requests
            .Skip(before[i]).Any(each => each.Reference == digest))];
    }
}
