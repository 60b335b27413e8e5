using System.Diagnostics;
using System.Globalization;
using System.Net;
using Gateway.BlackBox.Faults;
using Gateway.BlackBox.Rig;
using Gateway.Testing;

namespace Gateway.BlackBox;

/// <summary>Gateways on a bucket, one fault of the store or of its surroundings at a time (docs/buckets.md has the table).</summary>
public sealed class BucketOutageTests(S3Servers servers)
{
    /// <summary>Seconds that the store is away. 600 is what the issue of several gateways asks for.</summary>
    private const string Variable = "GATEWAY_BUCKET_OUTAGE";

    [Fact]
    public async Task Pulls_of_what_is_cached_go_on_while_the_store_is_away_until_staleFor_ends()
    {
        var outage = int.TryParse(Environment.GetEnvironmentVariable(Variable), CultureInfo.InvariantCulture, out var set)
            ? set
            : (int)Patience.Of(12).TotalSeconds;
        await using var gateways = await BucketSet.StartAsync(
            new BucketPlan { Shared = servers.CephAsync, HasProxies = true, StaleFor = $"{outage}s" });
        using var raw = new RawClient(gateways.Host);
        var manifest = await raw.ImageAsync("team/app", "v1", ImageLoad.Layer);
        foreach (var gateway in gateways.Gateways) await ImageLoad.PullAsync(gateway, manifest);

        var (clock, slowest, pulls) = (Stopwatch.StartNew(), TimeSpan.Zero, 0);
        foreach (var fault in (StoreFault[])[StoreFault.Refuse, StoreFault.Silence])
        {
            foreach (var proxy in gateways.Proxies) proxy.Fault = fault;
            foreach (var proxy in gateways.Proxies) proxy.Cut();
            // Until long before the half and the end: the last pull then ends within staleFor, also on a machine that stalls for seconds.
            var end = TimeSpan.FromSeconds(outage * (fault == StoreFault.Refuse ? 0.3 : 0.6));
            for (; clock.Elapsed < end || pulls == 0; pulls++)
            {
                var began = clock.Elapsed;
                await ImageLoad.PullAsync(gateways.Gateways[pulls % BucketSet.Count], manifest, isStale: pulls > 0);
                if (clock.Elapsed - began > slowest) slowest = clock.Elapsed - began;
                await Task.Delay(50); // a client that pulls again and again
            }
            using var refused = await raw.PushManifestAsync("team/app", "v2", manifest);
            await RawClient.ExpectErrorAsync(refused, 503);
        }
        var summary = $"{pulls} pulls of a tag and its layer in {clock.Elapsed.TotalSeconds:0} s without the store, "
            + $"the slowest {slowest.TotalSeconds:0.0} s";
        TestContext.Current.TestOutputHelper!.WriteLine(summary);
        await Eventually.TrueAsync(
            async () =>
            {
                using var answer = await raw.GetAsync("/v2/team/app/manifests/v1");
                return answer.StatusCode == HttpStatusCode.ServiceUnavailable;
            },
            () => $"answers end after staleFor\n{gateways.Log}");

        foreach (var proxy in gateways.Proxies) proxy.Fault = StoreFault.None;
        await PushesAsync(gateways, raw, manifest, "v2");
    }

    /// <summary>Waits until a push is accepted, and finds it at every gateway.</summary>
    private static async Task PushesAsync(BucketSet set, RawClient raw, byte[] manifest, string tag)
    {
        await Eventually.TrueAsync(
            async () =>
            {
                using var pushed = await raw.PushManifestAsync("team/app", tag, manifest);
                return pushed.StatusCode == HttpStatusCode.Created;
            },
            () => set.Log);
        foreach (var gateway in set.Gateways)
        {
            using var each = new RawClient(gateway.Host);
            await Eventually.TrueAsync(
                async () =>
                {
                    using var found = await each.GetAsync($"/v2/team/app/manifests/{tag}", ("Accept", OciLayout.ImageManifest));
                    return found.StatusCode == HttpStatusCode.OK;
                },
                () => set.Log);
        }
    }

    [Fact]
    public async Task Tag_that_another_gateway_pushed_is_not_absent_at_one_that_the_store_does_not_answer()
    {
        await using var set = await BucketSet.StartAsync(
            new BucketPlan { Shared = servers.CephAsync, HasProxies = true, Gateways = 2 });
        using var cut = new RawClient(set.Gateways[0].Host);
        using var other = new RawClient(set.Gateways[1].Host);
        await cut.ImageAsync("team/app", "v1", ImageLoad.Layer);
        set.Proxies[0].Fault = StoreFault.Refuse;
        set.Proxies[0].Cut();
        await other.ImageAsync("team/app", "v2", OciLayout.Noise(6, 1000));

        using var answer = await cut.GetAsync("/v2/team/app/manifests/v2");

        await RawClient.ExpectErrorAsync(answer, 503);
    }

    [Fact]
    public async Task Store_that_can_only_be_read_is_pulled_from_and_the_log_names_the_rights()
    {
        await using var set = await BucketSet.StartAsync(
            new BucketPlan { Shared = servers.CephAsync, HasAccount = true, Gateways = 2 });
        using var raw = new RawClient(set.Host);
        var manifest = await raw.ImageAsync("team/app", "v1", ImageLoad.Layer);

        await set.Store.AllowAsync(set.Account, "read");
        using var refused = await raw.PushManifestAsync("team/app", "v2", manifest);
        await RawClient.ExpectErrorAsync(refused, 503);
        Assert.Contains("the bucket of this registry refused it", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await Server.SayAsync(
            [.. set.Gateways.Select(each => each.Server)], "allow the access key to read, write, delete and list in this bucket");
        foreach (var gateway in set.Gateways) await ImageLoad.PullAsync(gateway, manifest);

        await set.Store.AllowAsync(set.Account, "read,write,delete");
        await PushesAsync(set, raw, manifest, "v2");
    }

    [Fact]
    public async Task Rotated_keys_of_the_store_fail_no_push_and_no_pull()
    {
        await using var set = await BucketSet.StartAsync(new BucketPlan { Shared = servers.CephAsync, HasAccount = true });
        using var stop = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 4).Select(n => ImageLoad.RunAsync(set, n, stop.Token)).ToArray();
        for (var rotation = 0; rotation < 3; rotation++) await set.RotateKeysAsync();
        await stop.CancelAsync();
        Assert.All(await Task.WhenAll(clients), images => Assert.True(images > 0));
    }
}
