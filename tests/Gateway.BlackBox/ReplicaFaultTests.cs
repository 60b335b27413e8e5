using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// Replicas that die, hang or lose Redis in the middle of a fetch: every client of another replica gets the whole content.
/// </summary>
public sealed class ReplicaFaultTests
{
    private const int MiB = 1 << 20;
    private const int Size = 24 * MiB;

    // The upstream sends this much and then waits for the test, so that the fault comes in the middle.
    private const int Half = Size / 2;

    /// <summary>Begins a fetch at all replicas, and waits until its leader has half of the content. Returns who leads.</summary>
    private static async Task<(string Digest, Task[] Pulls, int Leader)> BeginAsync(ReplicaSet set, Task gate)
    {
        var digest = set.AddBlob(Size);
        set.Upstream.When(each => each.Method == "GET" && each.Reference == digest).Once().PauseFor(gate, Half);
        Task[] pulls = [.. Enumerable.Range(0, ReplicaSet.Count).Select(i => (Task)set.PullAsync(i, digest))];
        await set.FollowingAsync(ReplicaSet.Count - 1);
        return (digest, pulls, await set.LeaderAsync());
    }

    [Fact]
    public async Task Killed_leader_hands_over_at_the_watermark()
    {
        await using var set = await ReplicaSet.StartAsync();
        var gate = new TaskCompletionSource();
        var (digest, pulls, leader) = await BeginAsync(set, gate.Task);

        await set.Gateways[leader].Server.KillAsync();

        await set.AllAsync(pulls.Where((_, i) => i != leader));
        gate.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => pulls[leader]);
        // The leader's request, and that of the replica that took over, which begins where it was.
        var gets = set.GetsOf(digest);
        Assert.True(gets.Length <= 3, $"{ReplicaSet.Text(gets)}\n{set.Logs}");
        Assert.All(gets.Skip(1), each => Assert.StartsWith("bytes=", each.Headers["Range"], StringComparison.Ordinal));
    }

    [Fact]
    public Task Leader_that_is_told_to_end_is_unready_and_its_followers_go_on() => Eventually.OnceInThreeAsync(EndLeaderAsync);

    /// <summary>Returns the requests and logs if a byte was requested twice.</summary>
    private static async Task<string> EndLeaderAsync()
    {
        await using var set = await ReplicaSet.StartAsync();
        var gate = new TaskCompletionSource();
        var (digest, pulls, leader) = await BeginAsync(set, gate.Task);

        var ending = set.Gateways[leader].Server.StopAsync();
        await Eventually.TrueAsync(async () => !await set.IsReadyAsync(leader), () => set.Gateways[leader].Log);
        gate.SetResult();

        // Its own client, too.
        await set.AllAsync(pulls);
        Assert.Equal(0, await ending);
        if (set.RequestedTwice(digest, Size) > 0) return $"{ReplicaSet.Text(set.GetsOf(digest))}\n{set.Logs}";
        var other = set.Gateways[(leader + 1) % ReplicaSet.Count];
        await Eventually.TrueAsync(async () => await set.MetricAsync(other, "gateway_replica_members") == 2, () => set.Logs);
        return "";
    }

    [Fact]
    public async Task Note_of_a_replica_that_has_left_is_not_followed()
    {
        await using var set = await ReplicaSet.StartAsync();
        var digest = set.AddBlob(MiB);
        await set.PullAsync(0, digest);
        await Eventually.TrueAsync(
            async () => (await set.Redis.EvalAsync($"redis.call('get', '{{gateway}}:fetch:{digest}')")).ToString().Contains(" has "),
            () => set.Logs);
        Assert.Equal(0, await set.Gateways[0].Server.StopAsync());
        await Eventually.TrueAsync(async () => await set.MetricAsync(set.Gateways[1], "gateway_replica_members") == 2, () => set.Logs);

        await set.PullAsync(1, digest);

        Assert.Equal(0, await set.MetricAsync(set.Gateways[1], "gateway_replica_peer_failures_total", "\"stopped\""));
    }

    [Fact]
    public async Task Leader_that_hangs_is_replaced_and_follows_when_it_wakes_up()
    {
        await using var set = await ReplicaSet.StartAsync();
        var gate = new TaskCompletionSource();
        var (digest, pulls, leader) = await BeginAsync(set, gate.Task);

        set.Gateways[leader].Server.Pause();
        gate.SetResult();
        await set.AllAsync(pulls.Where((_, i) => i != leader));
        set.Gateways[leader].Server.Continue();

        await pulls[leader];
        // The leader's request, that of the replica that took over, and two more where the machine stalls or the leader wakes up.
        Assert.True(set.GetsOf(digest).Length <= 4, $"{ReplicaSet.Text(set.GetsOf(digest))}\n{set.Logs}");
    }

    /// <summary>One set for all, because each fault ends: with valkey, which replicas use as they use Redis.</summary>
    [Fact]
    public async Task Redis_lost_during_a_fetch_is_noticed_by_no_client()
    {
        await using var set = await ReplicaSet.StartAsync(new ReplicaPlan { Timeout = "2s", Program = "valkey-server" });
        foreach (var how in (string[])["flushed", "slow", "silent", "cut", "killed"])
            await Eventually.OnceInThreeAsync(() => FetchWithoutRedisAsync(set, how));
    }

    /// <summary>
    /// Loses Redis during a fetch, and lets it come back. Returns the requests and logs if a byte was requested twice: replicas wait two
    /// seconds for each other, and the machine may stall for longer.
    /// </summary>
    private static async Task<string> FetchWithoutRedisAsync(ReplicaSet set, string how)
    {
        var gate = new TaskCompletionSource();
        var (digest, pulls, _) = await BeginAsync(set, gate.Task);
        await LoseRedisAsync(set, how);
        // Longer than the leader's next renewal.
        await Task.Delay(3200);
        gate.SetResult();

        await set.AllAsync(pulls);
        var problem = set.RequestedTwice(digest, Size) == 0 ? "" : $"{how}: {ReplicaSet.Text(set.GetsOf(digest))}\n{set.Logs}";
        // A fetch that begins without Redis: at most one request of each replica.
        var next = set.AddBlob(MiB);
        await set.AllAsync(Enumerable.Range(0, ReplicaSet.Count).Select(i => set.PullAsync(i, next)));
        Assert.InRange(set.WholesOf(next), 1, ReplicaSet.Count);
        Assert.All(await Task.WhenAll(Enumerable.Range(0, ReplicaSet.Count).Select(set.IsReadyAsync)), Assert.True);

        (set.RedisProxy.Swallows, set.RedisProxy.Refuses, set.RedisProxy.Delay) = (false, false, TimeSpan.Zero);
        set.RedisProxy.Cut();
        if (how == "killed" && problem != "") await set.Redis.StartAgainAsync(null);
        if (how != "killed" || problem != "") await set.RedisIsUpAsync();
        return problem;
    }

    private static Task LoseRedisAsync(ReplicaSet set, string how)
    {
        switch (how)
        {
            case "killed":
                return set.Redis.KillAsync();
            case "flushed":
                return set.Redis.FlushAsync();
            case "slow":
                set.RedisProxy.Delay = TimeSpan.FromSeconds(3);
                return Task.CompletedTask;
            case "silent":
                set.RedisProxy.Swallows = true;
                return Task.CompletedTask;
            default:
                set.RedisProxy.Refuses = true;
                set.RedisProxy.Cut();
                return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task Replicas_that_cannot_reach_each_other_fetch_for_themselves()
    {
        await using var set = await ReplicaSet.StartAsync();
        foreach (var proxy in set.Proxies)
        {
            proxy.Refuses = true;
            proxy.Cut();
        }
        var digest = set.AddBlob(8 * MiB);

        await set.AllAsync(Enumerable.Range(0, ReplicaSet.Count).Select(i => set.PullAsync(i, digest)));

        Assert.InRange(set.WholesOf(digest), 1, ReplicaSet.Count);
    }

    [Fact]
    public async Task Replica_with_another_secret_is_refused_and_works_alone()
    {
        await using var set = await ReplicaSet.StartAsync(
            new ReplicaPlan { WrongSecret = 2, Members = static i => i == 2 ? 1 : ReplicaSet.Count - 1 });
        var digest = set.AddBlob(MiB);
        await set.PullAsync(0, digest);

        var handling = await set.PullAsync(2, digest);

        Assert.DoesNotContain("detail=peer", handling, StringComparison.Ordinal);
        Assert.Equal(2, set.GetsOf(digest).Length);
        await Server.SayAsync([.. set.Gateways.Select(each => each.Server)], "[10018]");
    }

    [Fact]
    public async Task Rotated_password_of_Redis_applies_without_a_restart()
    {
        await using var set = await ReplicaSet.StartAsync(new ReplicaPlan { Password = "first" });

        await set.Redis.KillAsync();
        await set.Redis.StartAgainAsync("second");
        set.WritePassword("second");

        await Eventually.TrueAsync(
            async () => Array.TrueForAll(
                await Task.WhenAll(set.Gateways.Select(g => set.MetricAsync(g, "gateway_replica_redis_up"))), up => up == 1)
                && await set.Redis.TryAsync("HLEN {gateway}:member") == ":3",
            () => $"Redis answers with the new password\n{set.Logs}");
    }

    /// <summary>As a load balancer does: the next replica if one does not accept a connection.</summary>
    [Fact]
    public async Task Rolling_restart_under_load_fails_no_pull()
    {
        await using var set = await ReplicaSet.StartAsync();
        using var end = new CancellationTokenSource();
        var pulls = Enumerable.Range(0, 4).Select(async worker =>
        {
            var count = 0;
            for (; !end.IsCancellationRequested; count++) await set.PullByAnyAsync(worker + count, set.AddBlob(2 * MiB));
            return count;
        }).ToArray();

        foreach (var gateway in set.Gateways)
        {
            Assert.Equal(0, await gateway.Server.StopAsync());
            await gateway.StartAgainAsync();
        }
        await end.CancelAsync();

        Assert.All(await Task.WhenAll(pulls), count => Assert.True(count > 0));
    }
}
