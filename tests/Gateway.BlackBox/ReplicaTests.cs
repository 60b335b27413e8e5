using System.Security.Cryptography;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Three gateway processes with Debian's Redis: what clients get, and what reaches the upstream.</summary>
public sealed class ReplicaTests(ReplicaFixture fixture) : IClassFixture<ReplicaFixture>
{
    private const int MiB = 1 << 20;

    /// <summary>
    /// On a machine that is so busy that a replica did not answer for seconds, a second request to the upstream is right; then another blob
    /// is pulled.
    /// </summary>
    [Fact]
    public async Task Herd_of_fifty_over_three_replicas_costs_the_bytes_of_one_get()
    {
        var set = fixture.Set;
        const int Size = 64 * MiB;
        for (var tries = 1; ; tries++)
        {
            var (digest, silent) = (set.AddBlob(Size), await set.SilencesAsync());

            var handling = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => set.PullAsync(i % ReplicaSet.Count, digest)));

            if (set.RequestedTwice(digest, Size) > 0 && tries < 4 && await set.SilencesAsync() > silent) continue;
            Assert.True(set.RequestedTwice(digest, Size) == 0, $"{ReplicaSet.Text(set.GetsOf(digest))}\n{set.Logs}");
            Assert.Contains(handling, each => each.Contains("detail=peer", StringComparison.Ordinal));
            return;
        }
    }

    [Fact]
    public async Task Content_of_one_replica_is_read_from_it_and_not_from_the_upstream()
    {
        var set = fixture.Set;
        for (var tries = 1; ; tries++)
        {
            var (digest, silent) = (set.AddBlob(5 * MiB), await set.SilencesAsync());
            await set.PullAsync(0, digest);
            await CachedAsync(set, digest, 0);
            // The note that replica 0 has the content is lost, so replica 1 asks the others itself.
            await set.Redis.FlushAsync();

            var handling = await set.PullAsync(1, digest);
            await set.PullAsync(2, digest);

            if (handling.Contains("detail=peer", StringComparison.Ordinal) && set.WholesOf(digest) == 1) return;
            await SilentAsync(
                set, silent, tries, $"expected detail=peer and one GET, got {handling} and {ReplicaSet.Text(set.GetsOf(digest))}");
        }
    }

    /// <summary>
    /// Asserts that another try is right, because a replica or Redis was silent during this one. Waits until Redis answers again.
    /// </summary>
    private static async Task SilentAsync(ReplicaSet set, double before, int tries, string problem)
    {
        Assert.True(tries < 4 && await set.SilencesAsync() > before, $"{problem}\n{set.Logs}");
        await set.RedisIsUpAsync();
    }

    /// <summary>Waits until replicas have stored a blob, which they do after their clients have it.</summary>
    private static Task CachedAsync(ReplicaSet set, string digest, params int[] replicas) => Eventually.TrueAsync(
        () => Task.FromResult(Array.TrueForAll(replicas, i => File.Exists(
            Path.Combine(set.Gateways[i].Storage, "gateway/cache/v2/blobs/sha256", digest[7..9], digest[7..], "data")))),
        () => $"{digest} is stored\n{set.Logs}");

    [Fact]
    public async Task Tag_that_one_replica_validated_is_fresh_at_the_others()
    {
        var set = fixture.Set;
        for (var tries = 1; ; tries++)
        {
            var (tag, silent) = ($"fresh-{tries}", await set.SilencesAsync());
            var image = set.Upstream.AddImage(ReplicaSet.Repository, tag, [1, 2, (byte)tries]);
            var before = await TagsAsync();
            Assert.Equal(image.Digest, await set.ResolveAsync(0, tag));
            await Eventually.TrueAsync(async () => await TagsAsync() > before || await set.SilencesAsync() > silent, () => set.Logs);

            Assert.Equal(image.Digest, await set.ResolveAsync(1, tag));
            Assert.Equal(image.Digest, await set.ResolveAsync(2, tag));

            var heads = set.Upstream.Count(each => each.Method == "HEAD" && each.Reference == tag);
            if (heads == 1) return;
            await SilentAsync(set, silent, tries, $"expected one HEAD, got {heads}");
        }

        async Task<int> TagsAsync() => (int)(await set.Redis.EvalAsync("#redis.call('keys', '{gateway}:tag:*')"));
    }

    [Fact]
    public async Task Rate_limit_that_one_replica_used_up_spares_the_requests_of_the_others()
    {
        await using var set = await ReplicaSet.StartAsync(
            new ReplicaPlan { Upstream = "referrers: on-demand, tags: { revalidateAfter: 1s }" });
        for (var i = 0; i < 18; i++) set.Upstream.AddImage(ReplicaSet.Repository, $"v{i}", [(byte)i, 2, 3]);
        await set.ResolveAsync(1, "v0");
        set.Upstream.LimitRates(20);
        // 3 of 20 requests remain, less than the reserve.
        for (var i = 1; i < 18; i++) await set.ResolveAsync(0, $"v{i}");
        await Task.Delay(1100);
        var asked = set.Upstream.Count(each => each.Reference == "v0");

        await set.ResolveAsync(1, "v0");

        Assert.Equal(asked, set.Upstream.Count(each => each.Reference == "v0"));
        Assert.Equal(3, await set.MetricAsync(set.Gateways[1], "gateway_upstream_ratelimit_remaining"));
    }

    [Fact]
    public async Task Manifest_is_read_from_a_replica_after_the_upstream_said_that_the_repository_has_it()
    {
        var set = fixture.Set;
        for (var tries = 1; ; tries++)
        {
            var (tag, silent) = ($"manifest-{tries}", await set.SilencesAsync());
            var image = set.Upstream.AddImage(ReplicaSet.Repository, tag, [7, 7, (byte)tries]);
            foreach (var replica in (int[])[0, 1, 2]) Assert.Equal(image.Digest, await set.ResolveAsync(replica, tag));

            var gets = set.Upstream.Count(each => each.Method == "GET" && each.Reference == image.Digest);
            var heads = set.Upstream.Count(each => each.Method == "HEAD" && each.Reference == image.Digest);
            // Content of a replica is of no use where the upstream does not say that the repository has it.
            Assert.Equal(404, await set.StatusAsync(1, $"/v2/corp/team/other/manifests/{image.Digest}"));
            if ((gets, heads) == (1, 2)) return;
            await SilentAsync(set, silent, tries, $"expected one GET and two HEADs, got {gets} and {heads}");
        }
    }

    [Fact]
    public async Task Purge_reaches_all_replicas_and_names_those_that_did_not_confirm()
    {
        var set = fixture.Set;
        var digest = set.AddBlob(MiB);
        for (var i = 0; i < ReplicaSet.Count; i++) await set.PullAsync(i, digest);
        await CachedAsync(set, digest, 0, 1, 2);

        await set.PurgeAsync(digest);
        Assert.DoesNotContain(CachedOf(set), name => name.Contains(digest[7..], StringComparison.Ordinal));

        for (var i = 0; i < ReplicaSet.Count; i++) await set.PullAsync(i, digest);
        await CachedAsync(set, digest, 0, 1, 2);
        (set.Proxies[1].Refuses, set.Proxies[2].Refuses) = (true, false);
        set.Proxies[1].Cut();
        // What it read of the news is gone, and the next entry is added before it notices.
        await set.Redis.FlushAsync();
        var told = await set.PostAsync(0, "/api/v1/purge", $$"""{"what":"{{digest}}"}""");
        Assert.Contains($"\"unconfirmed\":[\"http://127.0.0.1:{set.Proxies[1].Port}\"]", told, StringComparison.Ordinal);
        // It reads the news in Redis.
        await Eventually.TrueAsync(
            () => Task.FromResult(!CachedOf(set).Any(name => name.Contains(digest[7..], StringComparison.Ordinal))), () => set.Logs);
        // Its next beat says how far it has read.
        await Eventually.TrueAsync(
            async () => (await set.PageAsync(0))["unconfirmed"]!.AsArray().Count == 0
                && await set.MetricAsync(set.Gateways[0], "gateway_replica_purges_unconfirmed") == 0, () => set.Logs);
        set.Proxies[1].Refuses = false;
    }

    [Fact]
    public async Task Purge_by_a_replica_that_has_nothing_of_a_tag_makes_it_ask_the_upstream_for_the_tag()
    {
        var set = fixture.Set;
        const string Tag = "purged";
        set.Upstream.AddImage(ReplicaSet.Repository, Tag, Encoding.UTF8.GetBytes("the first layer"));
        await set.ResolveAsync(0, Tag);
        var newer = set.Upstream.AddImage(ReplicaSet.Repository, Tag, Encoding.UTF8.GetBytes("another layer"));

        var told = await set.PostAsync(1, "/api/v1/purge", $$"""{"what":"corp/{{ReplicaSet.Repository}}:{{Tag}}"}""");
        Assert.Contains("the other replicas purge what they have of it", told, StringComparison.Ordinal);

        Assert.Equal(newer.Digest, await set.ResolveAsync(1, Tag));
    }

    [Fact]
    public async Task Page_and_metrics_show_the_members_who_leads_what_and_redis()
    {
        var set = fixture.Set;
        var digest = set.AddBlob(4 * MiB);
        var gate = new TaskCompletionSource();
        set.Upstream.When(each => each.Method == "GET" && each.Reference == digest).Once().PauseFor(gate.Task, 2 * MiB);
        Task[] pulls = [.. Enumerable.Range(0, ReplicaSet.Count).Select(i => (Task)set.PullAsync(i, digest))];
        await set.FollowingAsync(ReplicaSet.Count - 1);
        var leader = await set.LeaderAsync();
        var follower = (leader + 1) % ReplicaSet.Count;

        // Once the leader has said with a beat what it leads.
        var page = await set.PageAsync(follower);
        await Eventually.TrueAsync(
            async () => (page = await set.PageAsync(follower))["members"]!.AsArray()
                .Any(each => each!["leads"]!.AsArray().Any(led => (string?)led!["digest"] == digest)), () => $"{page}\n{set.Logs}");

        var members = page["members"]!.AsArray();
        Assert.Equal(ReplicaSet.Count, members.Count);
        Assert.All(members, each => Assert.True((bool)each!["isReachable"]!, $"{page}"));
        Assert.All(members, each => Assert.Equal("none", (string?)each!["policy"]));
        Assert.All(members, each => Assert.InRange((double)each!["clockSkew"]!, -30, 30));
        Assert.Single(members.Select(each => (string?)each!["version"]).Distinct());
        var fetch = page["fetches"]!.AsArray().Single(each => (string?)each!["digest"] == digest);
        Assert.Equal(("follow", $"http://127.0.0.1:{set.Proxies[leader].Port}"), ((string?)fetch!["state"], (string?)fetch["from"]));
        Assert.Equal((true, 0), ((bool)page["redis"]!["isUp"]!, page["problems"]!.AsArray().Count));
        Assert.Equal(1, await set.MetricAsync(set.Gateways[follower], "gateway_replica_versions"));
        Assert.InRange(await set.MetricAsync(set.Gateways[follower], "gateway_replica_news_lag_seconds"), 0, 30);
        await using (var browser = await Browser.StartAsync("console.test"))
        {
            foreach (var width in (int[])[360, 1440])
            {
                await browser.ViewAsync(width, 900, dark: width < 400);
                await browser.LoadAsync(new Uri(set.Gateways[follower].Operator, "/replicas").ToString());
                var text = await browser.ReadAsync("document.body.textContent") ?? "";
                Assert.All(
                    (string[])["Members", "this one", "Who leads what", $"http://127.0.0.1:{set.Proxies[leader].Port}", "answers"],
                    part => Assert.Contains(part, text, StringComparison.Ordinal));
                Assert.Equal((width, "true"), (width, await browser.ReadAsync(
                    "String(document.documentElement.scrollWidth <= innerWidth)")));
            }
            Assert.Equal("", await browser.AxeAsync());
        }
        gate.SetResult();
        await set.AllAsync(pulls);
    }

    /// <summary>What a later version may write is ignored; what this version writes has the form that version 0.1 reads.</summary>
    [Fact]
    public async Task Values_of_another_version_are_ignored_and_those_of_this_one_have_their_first_form()
    {
        var set = fixture.Set;
        var (digest, upstream) = (set.AddBlob(MiB), set.Upstream.Url.ToString());
        var limits = $"limits:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(upstream)))}";
        foreach (var call in (string[])[
            $"'set', '{{gateway}}:fetch:{digest}', '2 later zone-b http://127.0.0.1:1 0 00'",
            "'zadd', '{gateway}:members', '99999999999999', 'later'",
            "'hset', '{gateway}:member', 'later', 'later http://127.0.0.1:1 9.0.0 zone-b 00'",
            "'hset', '{gateway}:about', 'later', '2 00 {}'",
            $"'hset', '{{gateway}}:{limits}', 'later', '2 99999999999999 00 {{}}'",
            "'xadd', '{gateway}:news', '*', 'format', '2', 'forget', 'everything'"])
            await set.Redis.EvalAsync($"redis.call({call})");

        await set.AllAsync(Enumerable.Range(0, ReplicaSet.Count).Select(i => set.PullAsync(i, digest)));
        await set.PurgeAsync(digest);
        await set.PullAsync(0, digest);

        Assert.InRange(set.WholesOf(digest), 1, 2);
        // The reader went past the entry that it does not know.
        await Eventually.TrueAsync(
            async () => await set.MetricAsync(set.Gateways[1], "gateway_replica_news_lag_seconds") < 5, () => set.Logs);
        Assert.Equal(ReplicaSet.Count, await set.MetricAsync(set.Gateways[1], "gateway_replica_members"));
        // Another test may have flushed Redis just now; then each replica is there again with its next beat.
        await Eventually.TrueAsync(
            async () => (await set.Redis.EvalAsync("redis.call('hvals', '{gateway}:member')")).AsArray()
                .Count(each => ((string)each!).Split(' ') is [_, ['h', 't', 't', 'p', ..], _, { Length: 64 }]) == ReplicaSet.Count,
            () => set.Logs);
        // The replica notes that it has the content once it has stored it.
        var lease = "";
        await Eventually.TrueAsync(
            async () => (lease = (await set.Redis.EvalAsync($"redis.call('get', '{{gateway}}:fetch:{digest}')")).ToString()).Split(' ')
                is [_, { Length: 16 }, ['h', 't', 't', 'p', ..], "has", { Length: 64 }],
            () => $"expected a note of who has the content, got {lease}\n{set.Logs}");
        var news = (await set.Redis.EvalAsync("redis.call('xrevrange', '{gateway}:news', '+', '-', 'COUNT', '1')"))[0]![1]!.AsArray();
        Assert.Equal(["id", "by", "purge", "signature"], news.Where((_, i) => i % 2 == 0).Select(each => (string?)each));
        await set.Redis.EvalAsync("redis.call('zrem', '{gateway}:members', 'later')");
        await set.Redis.EvalAsync("redis.call('hdel', '{gateway}:member', 'later')");
    }

    private static IEnumerable<string> CachedOf(ReplicaSet set) => set.Gateways.SelectMany(each => Directory.EnumerateFiles(
        Path.Combine(each.Storage, "gateway/cache/v2/blobs"), "*", SearchOption.AllDirectories));
}
