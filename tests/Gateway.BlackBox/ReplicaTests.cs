using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Three gateway processes with Debian's Redis: what clients get, and what reaches the upstream.</summary>
public sealed class ReplicaTests
{
    private const int MiB = 1 << 20;

    // Milliseconds; a test takes some seconds on an idle machine.
    private const int Limit = 240_000;

    /// <summary>
    /// On a machine that is so busy that a replica did not answer for seconds, a second request to the upstream is right; then another blob
    /// is pulled.
    /// </summary>
    [Fact(Timeout = Limit)]
    public async Task Herd_of_fifty_over_three_replicas_costs_the_bytes_of_one_get()
    {
        await using var set = await ReplicaSet.StartAsync();
        const int Size = 64 * MiB;
        for (var tries = 1; ; tries++)
        {
            var (digest, silent) = (set.AddBlob(Size), set.Silences);

            var handling = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => set.PullAsync(i % ReplicaSet.Count, digest)));

            if (set.RequestedTwice(digest, Size) > 0 && set.Silences > silent && tries < 4) continue;
            Assert.True(set.RequestedTwice(digest, Size) == 0, $"{ReplicaSet.Text(set.GetsOf(digest))}\n{set.Logs}");
            Assert.Contains(handling, each => each.Contains("detail=peer", StringComparison.Ordinal));
            return;
        }
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
