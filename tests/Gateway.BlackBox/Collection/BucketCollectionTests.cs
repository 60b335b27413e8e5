using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;
using Gateway.Testing;

namespace Gateway.BlackBox.Collection;

/// <summary>
/// Pushes, mounts, retags and deletes through three gateways on one bucket, beside two of them that collect without pause, with kills:
/// every acknowledged manifest is complete at every gateway, and the bytes of deleted images are gone from the bucket. The variable
/// <c>GATEWAY_COLLECTION_OPERATIONS</c> sets the number of operations; 20,000 is the full run. A collection waits for the polls of all
/// gateways, so that the shortest run takes half a minute.
/// </summary>
public sealed class BucketCollectionTests
{
    private const int Clients = 4;
    private static readonly string[] Repositories = ["load/a", "load/b", "load/c"];

    // What a client has for its manifest. The collector waits longer: until every gateway has read what is condemned.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private static readonly int Operations =
        int.TryParse(Environment.GetEnvironmentVariable("GATEWAY_COLLECTION_OPERATIONS"), CultureInfo.InvariantCulture, out var set)
            ? set
            : 60;

    private long _done;
    private long _collections;
    private long _removed;
    private long _refused;
    private int _kills;

    [Fact]
    public async Task Acknowledged_manifests_are_complete_and_bytes_of_deleted_ones_are_gone_beside_two_collectors()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("BLACKBOX_SEED"), out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"BLACKBOX_SEED={seed}");
        byte[][] pool = [.. Enumerable.Range(0, 40).Select(i => OciLayout.Noise(i, 200 + (97 * i)))];
        var slots = Repositories.SelectMany(name => Enumerable.Range(0, 4).Select(n => new CollectedSlot(name, n, pool, Grace))).ToArray();
        await using var set = await BucketSet.StartAsync(new BucketPlan
        {
            Yaml = static _ => "gc: { every: off, grace: 1s }", Store = S3Server.StartCephAsync, Collects = true,
        });
        var gone = await PushAndDeleteAsync(set);
        using var end = new CancellationTokenSource();
        using var killed = new CancellationTokenSource();
        var collectors = Task.WhenAll(CollectAsync(set.Gateways[0], end.Token), CollectAsync(set.Gateways[1], end.Token));
        var killer = KillAsync(set, new Random(seed), killed.Token);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(n => Task.Run(() => WorkAsync(set, slots, new Random(seed + n + 1)))));
        // A collection needs some seconds without a kill.
        await killed.CancelAsync();
        await killer;
        await Patience.UntilAsync(() => Task.FromResult(Interlocked.Read(ref _removed) > 0), () => set.Log, 120);
        await end.CancelAsync();
        await collectors;
        foreach (var gateway in set.Gateways) await VerifyAsync(slots, gateway.Host);
        await Patience.UntilAsync(async () => await CollectOnceAsync(set.Gateways[0]) && !await AnyAsync(set, gone), () => set.Log, 120);
        await using var distribution = await set.DistributionAsync();
        // The links are written soon after the pushes.
        await Eventually.TrueAsync(() => TryAsync(() => VerifyAsync(slots, distribution.Host)), () => distribution.Log);
        var summary = $"{_done} operations, {_refused} refused, {_collections} collections, {_removed} contents removed, {_kills} kills";
        TestContext.Current.TestOutputHelper!.WriteLine(summary);
    }

    // An image of its own, whose bytes must be gone at the end. Returns their keys.
    private static async Task<string[]> PushAndDeleteAsync(BucketSet set)
    {
        using var raw = new RawClient(set.Host);
        byte[][] blobs = [OciLayout.Noise(901, 5000), OciLayout.Noise(902, 6000)];
        foreach (var blob in blobs) (await raw.PushBlobAsync("load/gone", blob)).Dispose();
        var layers = blobs.Select(static blob => new Described("application/octet-stream", Described.Sha256(blob), blob.Length)).ToArray();
        var manifest = RawClient.Manifest(layers[0], layers[1..]);
        using var pushed = await raw.PushManifestAsync("load/gone", "v1", manifest);
        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        string[] digests = [.. blobs.Append(manifest).Select(static bytes => Described.Sha256(bytes))];
        string[] keys = [.. digests.Select(static d => $"docker/registry/v2/blobs/sha256/{d[7..9]}/{d[7..]}/data")];
        Assert.All(await ListAsync(set, keys), Assert.True);
        using var deleted = await raw.DeleteAsync($"/v2/load/gone/manifests/{digests[2]}");
        await RawClient.ExpectAsync(deleted, HttpStatusCode.Accepted);
        return keys;
    }

    private static async Task<bool[]> ListAsync(BucketSet set, string[] keys)
    {
        var listed = await set.Store.SendAsync(HttpMethod.Get, set.Bucket);
        return [.. keys.Select(key => listed.Contains($"<Key>{key}</Key>", StringComparison.Ordinal))];
    }

    private static async Task<bool> AnyAsync(BucketSet set, string[] keys) => (await ListAsync(set, keys)).Any(static isThere => isThere);

    private static async Task VerifyAsync(CollectedSlot[] slots, string host)
    {
        using var raw = new RawClient(host);
        foreach (var slot in slots) await slot.VerifyAsync(raw);
    }

    private async Task WorkAsync(BucketSet set, CollectedSlot[] slots, Random random)
    {
        using var raw = new RawClient(set.Host);
        while (Interlocked.Increment(ref _done) <= Operations)
        {
            var slot = slots[random.Next(slots.Length)];
            await slot.Turn.WaitAsync();
            try
            {
                await slot.WorkAsync(raw, Repositories[random.Next(Repositories.Length)], random);
            }
            // 503: the same content is being removed. 502 to 504 of the proxy: the gateway was killed.
            catch (Exception e) when (e is HttpRequestException or IOException || e.Message.Contains("got 50", StringComparison.Ordinal))
            {
                Interlocked.Increment(ref _refused);
                await Eventually.TrueAsync(() => TryAsync(() => slot.LearnAsync(raw)), () => set.Log);
            }
            finally
            {
                slot.Turn.Release();
            }
        }
    }

    // Any gateway, also one that removes.
    private async Task KillAsync(BucketSet set, Random random, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(TimeSpan.FromSeconds(6 + random.Next(12)), end);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            var victim = set.Gateways[random.Next(set.Gateways.Length)];
            await victim.Server.KillAsync();
            await victim.StartAgainAsync();
            _kills++;
        }
    }

    private async Task CollectAsync(GatewayProcess gateway, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            if (!await TryAsync(() => CollectOnceAsync(gateway))) await Task.Delay(100, CancellationToken.None);
        }
    }

    private async Task<bool> CollectOnceAsync(GatewayProcess gateway)
    {
        using var http = new HttpClient { BaseAddress = gateway.Operator };
        using var body = new StringContent("""{"untagged":"1s"}""", Encoding.UTF8, "application/json");
        using var started = await http.PostAsync("/api/v1/gc", body);
        // 409 while one runs again that a kill cut off.
        if (started.StatusCode == HttpStatusCode.Conflict)
        {
            await Task.Delay(200);
            return false;
        }
        var job = JsonNode.Parse(await started.Content.ReadAsStringAsync())!;
        while ((string)job["state"]! == "running")
        {
            await Task.Delay(50);
            job = JsonNode.Parse(await http.GetStringAsync($"/api/v1/jobs/{job["id"]}"))!;
        }
        if ((string)job["state"]! != "done") throw new IOException($"{job["problem"]}");
        Interlocked.Increment(ref _collections);
        Interlocked.Add(ref _removed, (long)job["result"]!["roots"]![0]!["contents"]!);
        return true;
    }

    private static async Task<bool> TryAsync(Func<Task> work)
    {
        try
        {
            await work();
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or Xunit.Sdk.XunitException)
        {
            return false;
        }
    }
}
