using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>kill -9 at random moments of concurrent pushes: acknowledged content is present, and nothing partial is served.</summary>
public sealed class KillTests
{
    private const int Kills = 32;
    private const int Pushers = 4;

    // Chosen: about eight images of three acknowledged answers each; and about the time between two answers.
    private const int MaxAnswers = 24;
    private const int MaxMilliseconds = 40;

    /// <summary>
    /// Limit of the wait for a start without help. Benchmarks measure the start; this only ends a wait that would never end.
    /// </summary>
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Nothing_acknowledged_is_lost_and_nothing_partial_is_served()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("BLACKBOX_SEED"), out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"BLACKBOX_SEED={seed}");
        var random = new Random(seed);
        var ledger = new PushLedger();
        using var folder = new TempFolder();
        await using var gateway = await GatewayProcess.StartAsync(storage: folder["volume"]);

        for (var kill = 0; kill < Kills; kill++)
        {
            await PushUntilKilledAsync(gateway, ledger, random);
            await gateway.StartAgainAsync(ReadyWithin);
            await ledger.VerifyAsync(gateway.Host, since: kill);
            ledger.NextRound();
        }
        await ledger.VerifyAsync(gateway.Host, since: 0);
        Assert.True(ledger.Acknowledged > Kills, $"expected more than {Kills} acknowledged pushes, got {ledger.Acknowledged}");

        await gateway.Server.KillAsync();
        await using var theirs = await DockerRegistry.StartAsync(folder["volume"]);
        await ledger.VerifyAsync(theirs.Host, since: 0);
    }

    private static async Task PushUntilKilledAsync(GatewayProcess gateway, PushLedger ledger, Random random)
    {
        // Kills depend on the number of answers, not only on time, so that slow machines also get early, late and intermediate kills.
        var (answers, moment) = (random.Next(MaxAnswers), random.Next(MaxMilliseconds));
        var pushers = Task.WhenAll(
            Enumerable.Range(0, Pushers).Select(n => PushLoad.RunAsync(gateway.Host, ledger, $"team/app{n}", random.Next())).ToArray());
        await Task.WhenAny(ledger.AcknowledgedInRoundAsync(answers), pushers);
        await Task.Delay(moment); // the random moment, not a wait for a condition
        await gateway.Server.KillAsync();
        await pushers;
    }
}
