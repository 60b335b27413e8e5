using System.Globalization;
using Gateway.BlackBox.Faults;
using Gateway.BlackBox.Rig;
using Gateway.Testing;

[assembly: AssemblyFixture(typeof(S3Servers))]

namespace Gateway.BlackBox;

/// <summary>
/// Random faults, kills and pauses of three gateways that share a bucket, Redis and an upstream, under a load of every kind.
/// </summary>
/// <remarks>
/// <c>GATEWAY_BUCKET_FAULTS=300 GATEWAY_BUCKET_KILLS=200 GATEWAY_BUCKET_PAUSE=60</c> is a run of about 40 minutes.
/// <c>BLACKBOX_SEED</c> repeats the order of the faults. <c>GATEWAY_BUCKET_OLDER=1:/path/gateway.dll</c> runs one gateway of an older
/// version beside two of this one.
/// </remarks>
public sealed class BucketFaultTests(S3Servers servers)
{
    /// <summary>Long enough for faults, kills and long pauses to overlap; in a run of 300, there are six rests.</summary>
    private const int FaultsOfPart = 50;

    private static int ShareOf(int all, int part, int parts) => (all * (part + 1) / parts) - (all * part / parts);

    private static int Variable(string name, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var given) ? given : usual;

    [Fact]
    public async Task Acknowledged_facts_are_on_every_gateway_after_faults_and_kills()
    {
        var seed = Variable("BLACKBOX_SEED", Random.Shared.Next());
        // One in four faults concerns what is not the store.
        var (faults, kills) = (Variable("GATEWAY_BUCKET_FAULTS", 6), Variable("GATEWAY_BUCKET_KILLS", 2));
        var pause = TimeSpan.FromSeconds(Variable("GATEWAY_BUCKET_PAUSE", 2));
        var output = TestContext.Current.TestOutputHelper!;
        output.WriteLine($"BLACKBOX_SEED={seed}");
        await using var set = await FaultySet.StartAsync(servers.CephAsync);
        var disturbances = new Disturbances();
        var load = new MixedLoad(set, disturbances, seed);
        using var stop = new CancellationTokenSource();
        var running = load.RunAsync(stop.Token);
        var run = new FaultRun(set, load, disturbances, running, seed);
        try
        {
            // Between the parts, while the load goes on, what is cold is fetched once for all gateways.
            var parts = 1 + (faults / FaultsOfPart);
            for (var part = 0; part < parts; part++)
            {
                await Task.WhenAll(run.FaultAsync(ShareOf(faults, part, parts)), run.KillAsync(ShareOf(kills, part, parts), pause));
                if (running.IsCompleted || part + 1 == parts) break;
                await set.SharedAsync();
                await load.FetchOnceAsync();
            }
        }
        finally
        {
            await stop.CancelAsync();
            output.WriteLine($"{run}\n{load}");
            await running.InTimeAsync("all clients have ended", 120);
        }
        // All at once, and one with an empty disk.
        await Task.WhenAll(set.Gateways.Select(each => each.Server.KillAsync()));
        Directory.Delete(set.Gateways[seed % BucketSet.Count].Storage, recursive: true);
        await Task.WhenAll(set.Gateways.Select(each => each.StartAgainAsync()));
        await Verification.AllAsync(set, load.Facts);
        await set.SharedAsync();
        await load.FetchOnceAsync();
        Assert.True(load.Acknowledged > faults + kills, $"expected more acknowledged writes than faults, got {load}");
    }
}
