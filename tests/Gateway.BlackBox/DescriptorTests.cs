using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A gateway with few file descriptors: RLIMIT_NOFILE is 288, and the runtime uses about 240 of them.</summary>
public sealed class DescriptorTests
{
    private const int Blobs = 60;

    [Fact]
    public async Task Gateway_without_free_descriptors_answers_200_or_503_or_closes_the_connection_and_recovers()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        var blobs = Enumerable.Range(0, Blobs).Select(i => OciLayout.Noise(i, 10_000)).ToArray();
        using (var raw = new RawClient(gateway.Host))
        {
            foreach (var blob in blobs) (await raw.PushBlobAsync("team/app", blob)).EnsureSuccessStatusCode().Dispose();
        }
        await gateway.StartAgainAsync(by: ["prlimit", "--nofile=288:288"]);

        // The runtime never retries to load an assembly that it could not open once, so the first request is sent while descriptors are
        // free.
        using (var first = new RawClient(gateway.Host))
            Assert.Equal(200, await PullAsync(first, blobs[0]));
        var held = Enumerable.Range(0, 150).Select(_ => new RawClient(gateway.Host)).ToArray();
        var statuses = (await Task.WhenAll(held.Select((client, i) => PullAsync(client, blobs[i % Blobs])))).CountBy(s => s).ToDictionary();
        Assert.DoesNotContain(500, statuses.Keys);
        Assert.All(statuses.Keys, status => Assert.Contains(status, (int[])[0, 200, 503]));
        Assert.True(statuses.GetValueOrDefault(0) > 0, "expected closed connections, got none: the limit was not reached");
        Assert.True(statuses.GetValueOrDefault(200) > 0, $"expected requests with status 200, got none:\n{gateway.Log}");
        Assert.False(gateway.Server.HasExited, gateway.Log);
        foreach (var client in held) client.Dispose();

        // One connection, one blob after another: more blobs are opened than there are descriptors, and they are not kept open.
        using var alone = new RawClient(gateway.Host);
        await Eventually.TrueAsync(async () => await PullAsync(alone, blobs[0]) == 200, () => $"No connection is taken:\n{gateway.Log}");
        foreach (var blob in blobs) Assert.Equal(200, await PullAsync(alone, blob));
        using var pushed = await alone.PushBlobAsync("team/app", OciLayout.Noise(1000, 10_000));
        Assert.Equal(HttpStatusCode.Created, pushed.StatusCode);
        Assert.InRange(Directory.GetFileSystemEntries($"/proc/{gateway.Server.Id}/fd").Length, 1, 287);
    }

    [Fact]
    public async Task Soft_limit_is_raised_to_the_hard_limit()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        await gateway.StartAgainAsync(by: ["prlimit", "--nofile=256:4096"]);

        var line = File.ReadLines($"/proc/{gateway.Server.Id}/limits")
            .Single(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        Assert.Equal(4096, int.Parse(line[14..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], CultureInfo.InvariantCulture));
        using var http = new HttpClient();
        var metrics = await http.GetStringAsync(new Uri(gateway.Operator, "/metrics"));
        Assert.Contains("gateway_descriptors_limit 4096", metrics, StringComparison.Ordinal);
    }

    /// <summary>The status; 0 when the connection was closed without one.</summary>
    private static async Task<int> PullAsync(RawClient client, byte[] blob)
    {
        try
        {
            using var answer = await client.GetAsync($"/v2/team/app/blobs/{Described.Sha256(blob)}");
            var body = await answer.Content.ReadAsByteArrayAsync();
            if (answer.StatusCode == HttpStatusCode.OK) Assert.Equal(blob, body);
            return (int)answer.StatusCode;
        }
        // HttpClient lets a SocketException through when the gateway closes the connection right after it was accepted.
        catch (Exception e) when (e is HttpRequestException or SocketException)
        {
            return 0;
        }
    }
}
