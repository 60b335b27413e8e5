using Gateway.BlackBox.Rig;
using Gateway.Testing;

namespace Gateway.BlackBox;

/// <summary>kill -9 of one of three gateways at random moments of concurrent pushes by all of them.</summary>
public sealed class BucketKillTests(S3Servers servers)
{
    private const int Kills = 9;
    private const int Pushers = 4;

    [Fact]
    public async Task Nothing_acknowledged_is_lost_and_the_others_serve_it_at_once()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("BLACKBOX_SEED"), out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"BLACKBOX_SEED={seed}");
        var random = new Random(seed);
        var ledger = new PushLedger();
        await using var set = await BucketSet.StartAsync(new BucketPlan { Shared = servers.CephAsync });
        for (var kill = 0; kill < Kills; kill++)
        {
            using var stop = new CancellationTokenSource();
            var pushers = Enumerable.Range(0, Pushers)
                .Select(n => PushLoad.RunAsync(set.Host, ledger, $"team/app{n}", random.Next(), stop.Token)).ToArray();
            await Task.WhenAny([ledger.AcknowledgedInRoundAsync(random.Next(8, 24)), .. pushers]);
            var victim = set.Gateways[kill % BucketSet.Count];
            await victim.Server.KillAsync();
            // The others go on.
            await Task.WhenAny([ledger.AcknowledgedInRoundAsync(4), .. pushers]).InTimeAsync($"pushes go on\n{set.Log}", 60);
            await stop.CancelAsync();
            await Task.WhenAll(pushers);
            foreach (var other in set.Gateways.Where(g => g != victim)) await ledger.VerifyAsync(other.Host, since: kill);
            await victim.StartAgainAsync();
            await ledger.VerifyAsync(victim.Host, since: kill);
            ledger.NextRound();
        }
        foreach (var gateway in set.Gateways) await ledger.VerifyAsync(gateway.Host, since: 0);
        Assert.True(ledger.Acknowledged > 10 * Kills, $"expected more than {10 * Kills} acknowledged pushes, got {ledger.Acknowledged}");
    }
}
