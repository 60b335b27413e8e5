using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Sets of replicas that are made in other ways: without Redis, with certificates, with wrong clocks, with Sentinel.</summary>
public sealed class ReplicaSurroundingsTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public async Task Peers_alone_share_content_and_purges_without_Redis()
    {
        await using var set = await ReplicaSet.StartAsync(new ReplicaPlan { IsPeersAlone = true });

        var digest = await set.PullFromPeersAsync(2 * MiB, 0, 1, 2);

        Assert.Equal(1, set.WholesOf(digest));

        // Where no replica has it, each asks the others and then the upstream: at most one request of each.
        var cold = set.AddBlob(2 * MiB);
        await set.AllAsync(Enumerable.Range(0, ReplicaSet.Count).Select(i => set.PullAsync(i, cold)));
        Assert.InRange(set.WholesOf(cold), 1, ReplicaSet.Count);

        await set.PurgeAsync(digest);
        // A replica that was away is told again, because no news in Redis reach it.
        (set.Proxies[1].Refuses, var target) = (true, $"http://127.0.0.1:{set.Proxies[1].Port}");
        set.Proxies[1].Cut();
        var told = await set.PostAsync(0, "/api/v1/purge", $$"""{"what":"{{cold}}"}""");
        Assert.Contains($"\"unconfirmed\":[\"{target}\"]", told, StringComparison.Ordinal);
        var page = await set.PageAsync(0);
        Assert.Equal((cold, target), ((string?)page["unconfirmed"]![0]!["what"], (string?)page["unconfirmed"]![0]!["replica"]));
        Assert.Null(page["redis"]);
        set.Proxies[1].Refuses = false;
        await Eventually.TrueAsync(
            async () => await set.MetricAsync(set.Gateways[0], "gateway_replica_purges_unconfirmed") == 0, () => set.Logs);
    }

    /// <summary>Replica 1 has a clock that is ten minutes ahead; replica 2 has a certificate of another authority.</summary>
    [Fact]
    public async Task Certificates_part_replicas_and_a_wrong_clock_does_not()
    {
        using var own = new TempFolder();
        using var foreign = new TempFolder();
        Authority[] authorities = [new(own), new(foreign)];
        await using var set = await ReplicaSet.StartAsync(new ReplicaPlan
        {
            Certificates = i => authorities[i == 2 ? 1 : 0],
            Environment = i => i == 1 ? WrongClock.By("+10m") : null,
        });

        var digest = await set.PullFromPeersAsync(2 * MiB, 0, 1);
        Assert.DoesNotContain("detail=peer", await set.PullAsync(2, digest), StringComparison.Ordinal);
        Assert.Equal(2, set.WholesOf(digest));
        // The other way round: the leader is the replica with the wrong clock.
        await set.PullFromPeersAsync(2 * MiB, 1, 0);

        Assert.InRange(await set.MetricAsync(set.Gateways[1], "gateway_replica_clock_skew_seconds"), 570, 630);
        // A stalled machine ends an attempt before the certificate is refused; then another blob is pulled.
        await Eventually.TrueAsync(
            async () =>
            {
                if (await set.MetricAsync(set.Gateways[2], "gateway_replica_peer_failures_total", "\"refused\"") > 0) return true;
                var other = set.AddBlob(MiB);
                await set.PullAsync(0, other);
                await set.PullAsync(2, other);
                return false;
            },
            () => set.Logs);
        await Eventually.TrueAsync(
            async () => (await set.PageAsync(0))["problems"]!.AsArray()
                .Any(each => ((string)each!).StartsWith("The clock of https://", StringComparison.Ordinal)),
            () => set.Logs);
    }

    [Fact]
    public Task Failover_by_Sentinel_that_loses_the_last_writes_is_noticed_by_no_client() => Eventually.OnceInThreeAsync(FailOverAsync);

    /// <summary>Returns the requests and logs if a byte was requested twice.</summary>
    private static async Task<string> FailOverAsync()
    {
        const int Size = 8 * MiB;
        await using var redis = await RedisFailover.StartAsync();
        await using var set = await ReplicaSet.StartAsync(
            new ReplicaPlan { Addresses = $"[\"{redis.Primary.Address}\", \"{redis.Replica.Address}\"]", Timeout = "2s" });
        var gate = new TaskCompletionSource();
        var digest = set.AddBlob(Size);
        set.Upstream.When(each => each.Method == "GET" && each.Reference == digest).Once().PauseFor(gate.Task, Size / 2);
        redis.LoseWrites();
        Task[] pulls = [.. Enumerable.Range(0, ReplicaSet.Count).Select(i => (Task)set.PullAsync(i, digest))];
        await set.FollowingAsync(ReplicaSet.Count - 1);

        await redis.FailOverAsync();
        await set.RedisIsUpAsync();
        // The leader has registered again with the new primary, which never knew of the fetch.
        await Eventually.TrueAsync(
            async () => (int)(await redis.Replica.EvalAsync($"redis.call('exists', '{{gateway}}:fetch:{digest}')")) == 1, () => set.Logs);
        gate.SetResult();

        await set.AllAsync(pulls);
        if (set.RequestedTwice(digest, Size) > 0) return $"{ReplicaSet.Text(set.GetsOf(digest))}\n{set.Logs}";
        await set.PullFromPeersAsync(MiB, 0, 1);
        return "";
    }
}
