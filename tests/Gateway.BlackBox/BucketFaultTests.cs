using System.Net;
using Gateway.BlackBox.Rig;
using Gateway.Testing;

namespace Gateway.BlackBox;

/// <summary>Faults between three gateways and their bucket.</summary>
public sealed class BucketFaultTests
{
    [Fact]
    public async Task Pulls_go_on_while_the_bucket_is_away_and_pushes_are_refused()
    {
        await using var set = await BucketSet.StartAsync(store: S3Server.StartCephAsync, hasProxies: true);
        using var raw = new RawClient(set.Gateways[0].Host);
        var layer = OciLayout.Noise(5, 200_000);
        var manifest = await PushAsync(set, raw, layer);
        using (var warm = await raw.GetAsync($"/v2/team/app/blobs/{Described.Sha256(layer)}")) await warm.Content.ReadAsByteArrayAsync();
        set.Proxies[0].Refuses = true;
        set.Proxies[0].Cut();

        using var tag = await raw.GetAsync("/v2/team/app/manifests/v1", ("Accept", OciLayout.ImageManifest));
        await RawClient.ExpectAsync(tag, HttpStatusCode.OK);
        Assert.Contains("fwd=stale", tag.Headers.GetValues("Cache-Status").Single(), StringComparison.Ordinal);
        Assert.Equal(manifest, await tag.Content.ReadAsByteArrayAsync());
        using var blob = await raw.GetAsync($"/v2/team/app/blobs/{Described.Sha256(layer)}");
        Assert.Equal(layer, await blob.Content.ReadAsByteArrayAsync());
        using var refused = await raw.PushManifestAsync("team/app", "v2", manifest);
        await RawClient.ExpectErrorAsync(refused, 503);

        set.Proxies[0].Refuses = false;
        await Eventually.TrueAsync(
            async () =>
            {
                using var pushed = await raw.PushManifestAsync("team/app", "v2", manifest);
                return pushed.StatusCode == HttpStatusCode.Created;
            },
            () => set.Log);
        using var other = new RawClient(set.Gateways[1].Host);
        using var found = await other.GetAsync("/v2/team/app/manifests/v2", ("Accept", OciLayout.ImageManifest));
        await RawClient.ExpectAsync(found, HttpStatusCode.OK);
    }

    // The store ends idle connections, so a write may have no answer: the client is told to push again.
    private static async Task<byte[]> PushAsync(BucketSet set, RawClient raw, byte[] layer)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await raw.ImageAsync("team/app", "v1", layer);
            }
            catch (Xunit.Sdk.XunitException e) when (e.Message.Contains(", got 503", StringComparison.Ordinal))
            {
                if (tries == 5) throw new InvalidOperationException($"{e.Message}\n{set.Log}", e);
            }
        }
    }

    [Fact]
    public async Task Acknowledged_pushes_are_on_every_gateway_after_random_faults()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("BLACKBOX_SEED"), out var given) ? given : Random.Shared.Next();
        // A long run is one of hours; this many take about a minute.
        var faults = int.TryParse(Environment.GetEnvironmentVariable("GATEWAY_BUCKET_FAULTS"), out var count) ? count : 8;
        TestContext.Current.TestOutputHelper!.WriteLine($"BLACKBOX_SEED={seed}");
        var (random, ledger) = (new Random(seed), new PushLedger());
        await using var set = await BucketSet.StartAsync(store: S3Server.StartCephAsync, hasProxies: true);
        using var stop = new CancellationTokenSource();
        var pushers = Enumerable.Range(0, 3)
            .Select(n => PushLoad.RunAsync(set.Host, ledger, $"team/app{n}", random.Next(), stop.Token)).ToArray();
        for (var i = 0; i < faults; i++)
        {
            await FaultAsync(set, random);
            await Task.WhenAny([ledger.AcknowledgedInRoundAsync(4), .. pushers]).InTimeAsync($"pushes go on\n{set.Log}", 60);
        }
        await stop.CancelAsync();
        await Task.WhenAll(pushers);
        foreach (var gateway in set.Gateways) await ledger.VerifyAsync(gateway.Host, since: 0);
        // Of four answers, two are about an empty configuration or a tag that are counted once.
        Assert.True(ledger.Acknowledged > faults, $"expected more than {faults} acknowledged pushes, got {ledger.Acknowledged}");
    }

    private static async Task FaultAsync(BucketSet set, Random random)
    {
        var which = random.Next(BucketSet.Count);
        var (gateway, proxy, time) = (set.Gateways[which], set.Proxies[which], TimeSpan.FromMilliseconds(random.Next(100, 1500)));
        switch (random.Next(6))
        {
            case 0:
                proxy.Cut();
                break;
            case 1:
                proxy.Refuses = true;
                proxy.Cut();
                await Task.Delay(time); // the length of the fault
                proxy.Refuses = false;
                break;
            case 2:
                proxy.Swallows = true;
                await Task.Delay(time); // the length of the fault
                proxy.Swallows = false;
                proxy.Cut();
                break;
            case 3:
                proxy.Delay = TimeSpan.FromMilliseconds(50);
                await Task.Delay(time); // the length of the fault
                proxy.Delay = default;
                break;
            case 4:
                gateway.Server.Pause();
                await Task.Delay(time); // the length of the fault
                gateway.Server.Continue();
                break;
            default:
                await gateway.Server.KillAsync();
                await gateway.StartAgainAsync();
                break;
        }
    }
}
