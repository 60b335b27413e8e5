using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Collection;

/// <summary>
/// Pushes, mounts, retags and deletes beside a collector that runs without pause, with kills: every acknowledged manifest is complete. The
/// variable <c>GATEWAY_COLLECTION_OPERATIONS</c> sets the number of operations; 20,000 is the full run.
/// </summary>
public sealed class CollectionLoadTests
{
    private const int Clients = 6;
    private static readonly string[] Repositories = ["load/a", "load/b", "load/c"];

    /// <summary>Shorter than a client's pause between two kills, so that the collector removes something between them.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    // Some half a minute on two cores.
    private static readonly int Operations =
        int.TryParse(Environment.GetEnvironmentVariable("GATEWAY_COLLECTION_OPERATIONS"), CultureInfo.InvariantCulture, out var set)
            ? set
            : 1500;

    private long _done;
    private long _collections;
    private long _removed;
    private int _kills;

    [Fact]
    public async Task Acknowledged_manifests_are_complete_beside_a_collector_that_never_pauses()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("BLACKBOX_SEED"), out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"BLACKBOX_SEED={seed}");
        byte[][] pool = [.. Enumerable.Range(0, 60).Select(i => OciLayout.Noise(i, 200 + (97 * i)))];
        var slots = Repositories.SelectMany(name => Enumerable.Range(0, 8).Select(n => new CollectedSlot(name, n, pool, Grace))).ToArray();
        await using var gateway = await GatewayProcess.StartAsync(
            $"gc: {{ every: off, grace: {Grace.TotalSeconds}s }}\ntrash: {{ maxSize: 64MiB }}");
        using var end = new CancellationTokenSource();
        using var starting = new SemaphoreSlim(1);
        var collector = CollectAsync(gateway, end.Token);
        var killer = KillAsync(gateway, new Random(seed), starting, end.Token);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(n => Task.Run(() => WorkAsync(gateway, slots, new Random(seed + n + 1)))));
        await end.CancelAsync();
        await killer;
        await collector;
        await CollectOnceAsync(gateway);
        using var raw = new RawClient(gateway.Host);
        foreach (var slot in slots) await slot.VerifyAsync(raw);
        var summary = $"{_done} operations, {_collections} collections, {_removed} contents removed, {_kills} kills";
        TestContext.Current.TestOutputHelper!.WriteLine(summary);
        Assert.True(_collections > 0 && _removed > 0, $"expected collections that remove something, got {summary}");
    }

    private async Task WorkAsync(GatewayProcess gateway, CollectedSlot[] slots, Random random)
    {
        using var raw = new RawClient(gateway.Host);
        while (Interlocked.Increment(ref _done) <= Operations)
        {
            var slot = slots[random.Next(slots.Length)];
            await slot.Turn.WaitAsync();
            try
            {
                await slot.WorkAsync(raw, Repositories[random.Next(Repositories.Length)], random);
            }
            catch (Exception e) when (IsLost(e))
            {
                await Eventually.TrueAsync(async () => await TryAsync(() => slot.LearnAsync(raw)), () => gateway.Log);
            }
            finally
            {
                slot.Turn.Release();
            }
        }
    }

    // Kills come while the collector removes: it begins a grace time after the start.
    private async Task KillAsync(GatewayProcess gateway, Random random, SemaphoreSlim starting, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(Grace + TimeSpan.FromMilliseconds(500 + random.Next(4000)), end);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            await starting.WaitAsync(CancellationToken.None);
            await gateway.Server.KillAsync();
            await gateway.StartAgainAsync();
            _kills++;
            starting.Release();
        }
    }

    private async Task CollectAsync(GatewayProcess gateway, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            if (!await TryAsync(() => CollectOnceAsync(gateway))) await Task.Delay(100, CancellationToken.None);
        }
    }

    private async Task CollectOnceAsync(GatewayProcess gateway)
    {
        using var http = new HttpClient { BaseAddress = gateway.Operator };
        using var body = new StringContent("""{"untagged":"1s"}""", Encoding.UTF8, "application/json");
        using var started = await http.PostAsync("/api/v1/gc", body);
        // 409 while one runs again that a kill cut off.
        if (started.StatusCode == System.Net.HttpStatusCode.Conflict)
        {
            await Task.Delay(50);
            return;
        }
        var job = JsonNode.Parse(await started.Content.ReadAsStringAsync())!;
        while ((string)job["state"]! == "running")
        {
            await Task.Delay(20);
            job = JsonNode.Parse(await http.GetStringAsync($"/api/v1/jobs/{job["id"]}"))!;
        }
        Assert.Equal("done", (string)job["state"]!);
        _collections++;
        _removed += (long)job["result"]!["roots"]![0]!["contents"]!;
    }

    private static async Task<bool> TryAsync(Func<Task> work)
    {
        try
        {
            await work();
            return true;
        }
        catch (Exception e) when (IsLost(e))
        {
            return false;
        }
    }

    // A server that is killed just after it took the connection: .NET's client asks the lost socket for its address. 503: the gateway
    // cannot tell now. At the end, no manifest may be answered so.
    private static bool IsLost(Exception e) => e is HttpRequestException or IOException or SocketException
        || e is Xunit.Sdk.XunitException && e.Message.Contains("got 503", StringComparison.Ordinal);
}
