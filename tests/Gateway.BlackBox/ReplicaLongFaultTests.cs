using System.Globalization;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// Random faults while three replicas are pulled from without a pause: Redis silent, cut off, flushed or killed; replicas cut off from each
/// other, stopped or killed. Each pull that a replica answers is whole, and afterwards each digest is fetched once again.
/// </summary>
public sealed class ReplicaLongFaultTests
{
    /// <summary>The number of faults; a run of 300 takes about ten minutes.</summary>
    private const string Variable = "GATEWAY_REPLICA_FAULTS";

    /// <summary>The gateway.dll of an older version, which the first replica then runs beside two of this version.</summary>
    private const string Older = "GATEWAY_REPLICA_OLDER";

    // What ./test runs: one of each kind on average.
    private const int Usual = 6;

    private const int Workers = 4;

    private const int BlobSize = 6 << 20;

    [Fact]
    public async Task Random_faults_lose_no_byte_and_end_without_a_trace()
    {
        var faults = int.TryParse(Environment.GetEnvironmentVariable(Variable), CultureInfo.InvariantCulture, out var set) ? set : Usual;
        var older = Environment.GetEnvironmentVariable(Older);
        await using var replicas = await ReplicaSet.StartAsync(
            new ReplicaPlan { Timeout = "1s", Assembly = i => i == 0 && older is { Length: > 0 } ? older : null });
        using var end = new CancellationTokenSource();
        var broken = 0;
        var pulls = Enumerable.Range(0, Workers).Select(async worker =>
        {
            var whole = 0;
            for (var i = worker; !end.IsCancellationRequested; i++)
            {
                var digest = replicas.AddBlob(BlobSize);
                try
                {
                    await replicas.PullAsync(i % ReplicaSet.Count, digest);
                    whole++;
                }
                catch (Exception e) when (e is HttpRequestException or IOException)
                {
                    // Of a replica that is killed. A body that ends early is visible to the client; wrong bytes fail the test.
                    Interlocked.Increment(ref broken);
                }
                finally
                {
                    // Thousands of blobs would fill the memory.
                    replicas.RemoveBlob(digest);
                }
            }
            return whole;
        }).ToArray();

        var random = new Random(1);
        for (var i = 0; i < faults; i++) await FaultAsync(replicas, random.Next(6), random.Next(ReplicaSet.Count));
        await end.CancelAsync();

        var wholes = await Task.WhenAll(pulls).InTimeAsync("all pulls have ended", 120);
        TestContext.Current.TestOutputHelper?.WriteLine($"{faults} faults, {wholes.Sum()} whole pulls, {broken} cut visibly");
        Assert.All(wholes, each => Assert.True(each > 0));
        await FetchesOnceAgainAsync(replicas);
    }

    private static async Task FaultAsync(ReplicaSet replicas, int kind, int which)
    {
        var gateway = replicas.Gateways[which];
        switch (kind)
        {
            case 0:
                replicas.RedisProxy.Swallows = true;
                await Task.Delay(1500);
                replicas.RedisProxy.Swallows = false;
                replicas.RedisProxy.Cut();
                break;
            case 1:
                await replicas.Redis.FlushAsync();
                break;
            case 2:
                await replicas.Redis.KillAsync();
                await Task.Delay(500);
                await replicas.Redis.StartAgainAsync();
                break;
            case 3:
                replicas.Proxies[which].Refuses = true;
                replicas.Proxies[which].Cut();
                await Task.Delay(1000);
                replicas.Proxies[which].Refuses = false;
                break;
            case 4:
                gateway.Server.Pause();
                await Task.Delay(3000);
                gateway.Server.Continue();
                break;
            default:
                await gateway.Server.KillAsync();
                await gateway.StartAgainAsync();
                break;
        }
        await Task.Delay(200);
    }

    private static async Task FetchesOnceAgainAsync(ReplicaSet replicas)
    {
        var digest = "";
        await Eventually.TrueAsync(
            async () =>
            {
                digest = replicas.AddBlob(BlobSize);
                await replicas.AllAsync(Enumerable.Range(0, ReplicaSet.Count).Select(i => replicas.PullAsync(i, digest)));
                return replicas.RequestedTwice(digest, BlobSize) == 0;
            },
            () => $"one fetch for all: {ReplicaSet.Text(replicas.GetsOf(digest))}\n{replicas.Logs}");
    }
}
