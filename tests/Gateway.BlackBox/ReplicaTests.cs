using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Three gateway processes with Debian's Redis: what clients get, and what reaches the upstream.</summary>
public sealed class ReplicaTests
{
    private const int MiB = 1 << 20;

    // Milliseconds; a test takes some seconds on an idle machine.
    private const int Limit = 240_000;

    [Fact(Timeout = Limit)]
    public async Task Herd_of_fifty_over_three_replicas_costs_the_bytes_of_one_get()
    {
        await using var set = await ReplicaSet.StartAsync();
        const int Size = 96 * MiB;
        var digest = set.AddBlob(Size);

        var handling = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => set.PullAsync(i % ReplicaSet.Count, digest)));

        // One response, and closed ranges beside it; a response that is cut has some bytes under way.
        Assert.InRange(set.SentOf(digest), Size, Size * 1.05);
        Assert.Contains(handling, each => each.Contains("detail=peer", StringComparison.Ordinal));
        var received = await Task.WhenAll(set.Gateways.Select(g => set.MetricAsync(g, "gateway_replica_peer_bytes_total", "received")));
        Assert.Equal(2.0 * Size, received.Sum());
    }

    [Fact(Timeout = Limit)]
    public async Task Content_of_one_replica_is_read_from_it_and_not_from_the_upstream()
    {
        await using var set = await ReplicaSet.StartAsync();
        var digest = set.AddBlob(5 * MiB);
        await set.PullAsync(0, digest);
        // The note that replica 0 has the content is lost, so replica 1 asks the others itself.
        await set.Redis.FlushAsync();

        var handling = await set.PullAsync(1, digest);
        await set.PullAsync(2, digest);

        Assert.Contains("detail=peer", handling, StringComparison.Ordinal);
        Assert.Single(set.GetsOf(digest));
    }
}
