using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Tags: requested by HEAD, once for concurrent requests, and served stale as the options say.</summary>
public sealed class TagTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 41);

    [Fact]
    public async Task First_pull_of_a_tag_costs_one_HEAD_and_one_GET_by_digest()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(["HEAD v1", $"GET {image.Digest}"], rig.Hub.Requests.Select(r => $"{r.Method} {r.Reference}"));
    }

    [Fact]
    public async Task Fresh_tag_costs_no_upstream_request_and_a_stale_tag_costs_one_HEAD()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        Assert.True((await rig.ResolveAsync()).IsHit);
        Assert.Equal(2, rig.Hub.Requests.Count);
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.True(rig.Hub.Requests[2].IsHead);
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(3, rig.Hub.Requests.Count);
    }

    [Fact]
    public async Task Tag_that_was_validated_in_the_future_is_not_fresh()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromDays(-30));
        rig.Hub.AddImage(Rig.Name, "v1", ScriptedUpstream.Bytes(100, seed: 9));
        Assert.False((await rig.ResolveAsync()).IsHit);
    }

    [Fact]
    public async Task Fifty_pulls_of_a_stale_tag_cost_one_HEAD()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        var gate = new TaskCompletionSource();
        rig.Hub.When(r => r.IsHead).WaitFor(gate.Task);
        var pulls = Enumerable.Range(0, 50).Select(_ => Task.Run(() => rig.PullTagAsync())).ToArray();
        await rig.Hub.ReceivedAsync(r => r == rig.Hub.Requests.ElementAtOrDefault(2));
        gate.SetResult();
        Assert.All(await Task.WhenAll(pulls), digest => Assert.Equal(image.Digest, digest));
        Assert.Equal(2, rig.Hub.Count(r => r.IsHead));
    }

    [Fact]
    public async Task Moved_tag_is_fetched_by_its_new_digest()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        var newer = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal(newer.Digest, await rig.PullTagAsync());
        Assert.Equal($"GET {newer.Digest}", $"{rig.Hub.Requests[^1].Method} {rig.Hub.Requests[^1].Reference}");
        Assert.Equal(newer.Digest, await rig.PullTagAsync());
        Assert.Equal(4, rig.Hub.Requests.Count);
    }

    [Fact]
    public async Task Freshness_survives_a_restart()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromMinutes(4));
        await rig.RestartAsync();
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(3, rig.Hub.Requests.Count);
        rig.Clock.Advance(TimeSpan.FromMinutes(2));
        await rig.PullTagAsync();
        Assert.Equal(4, rig.Hub.Requests.Count);
    }

    [Fact]
    public async Task Immutable_tags_are_never_revalidated()
    {
        await using var rig = await Rig.StartAsync(o => o with { Tags = o.Tags with { Immutable = ["v*"] } });
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromDays(365));
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(2, rig.Hub.Requests.Count);
    }

    [Fact]
    public async Task Revalidation_never_asks_once_and_always_asks_for_each_pull()
    {
        foreach (var (after, heads) in new[] { (Timeout.InfiniteTimeSpan, 1), (TimeSpan.Zero, 3) })
        {
            await using var rig = await Rig.StartAsync(o => o with { Tags = o.Tags with { RevalidateAfter = after } });
            rig.Hub.AddImage(Rig.Name, "v1", Layer);
            for (var i = 0; i < 3; i++)
            {
                await rig.PullTagAsync();
                rig.Clock.Advance(TimeSpan.FromDays(1));
            }
            Assert.Equal(heads, rig.Hub.Count(r => r.IsHead));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Upstream_without_digest_or_without_HEAD_is_asked_by_GET(bool refusesHead)
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        var rule = rig.Hub.When(r => r.IsAnyManifest);
        _ = refusesHead ? rule.RefuseHead() : rule.NoDigest();
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(1, rig.Hub.Count(r => r.IsGet));
    }

    /// <summary>The upstream's status, and whether the options serve the stale tag.</summary>
    [Theory]
    [InlineData(503, true)]
    [InlineData(503, false)]
    [InlineData(429, true)]
    [InlineData(429, false)]
    [InlineData(404, true)]
    [InlineData(404, false)]
    [InlineData(403, true)]
    [InlineData(403, false)]
    public async Task Stale_tag_is_served_as_the_options_say(int status, bool serves)
    {
        await using var rig = await Rig.StartAsync(o => o with
        {
            Tags = o.Tags with
            {
                OnUnavailable = serves ? StaleUse.Serve : StaleUse.Deny,
                OnUnauthorized = serves ? StaleUse.Serve : StaleUse.Deny,
                OnGone = serves ? Timeout.InfiniteTimeSpan : TimeSpan.Zero,
            },
        });
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        rig.Hub.When(_ => true).Respond(status);
        var answer = await rig.PullTagAsync();
        if (!serves)
        {
            Assert.Equal(status is 503 or 429 ? "Unavailable" : "Absent", answer);
            return;
        }
        Assert.Equal(image.Digest, answer);
        var handling = await rig.ResolveAsync();
        Assert.Equal((true, ForwardReason.Stale), (handling.IsHit, handling.Forward));
        Assert.StartsWith("stale:", handling.Notice, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tag_that_the_upstream_removed_is_served_for_as_long_as_the_options_say()
    {
        await using var rig = await Rig.StartAsync(o => o with { Tags = o.Tags with { OnGone = TimeSpan.FromHours(1) } });
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Hub.Untag(Rig.Name, "v1");
        rig.Clock.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        rig.Clock.Advance(TimeSpan.FromMinutes(31));
        Assert.Equal("Absent", await rig.PullTagAsync());
    }

    [Fact]
    public async Task Hanging_upstream_delays_only_the_first_pull_of_a_stale_tag()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        rig.Hub.When(_ => true).HangBeforeHeaders();
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(2, rig.Hub.Count(r => r.IsHead));
        Assert.Contains("did not answer within 2 s", (await rig.ResolveAsync()).Notice, StringComparison.Ordinal);
        Assert.Equal(2, rig.Hub.Count(r => r.IsHead));
    }

    [Fact]
    public async Task Upstream_that_answers_429_is_not_asked_before_its_Retry_After()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        await rig.PullTagAsync();
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        rig.Hub.When(_ => true).RateLimit(retryAfter: "60");
        for (var i = 0; i < 20; i++) Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(3, rig.Hub.Requests.Count);
        Assert.Equal("Unavailable", await rig.PullTagAsync("v2"));
        rig.Clock.Advance(TimeSpan.FromSeconds(61));
        rig.Hub.Behave();
        await rig.PullTagAsync();
        Assert.False((await rig.ResolveAsync()).Forward == ForwardReason.Stale);
    }

    [Fact]
    public async Task Absent_tag_is_cached_as_absent_for_30_seconds()
    {
        await using var rig = await Rig.StartAsync();
        for (var i = 0; i < 3; i++) Assert.Equal("Absent", await rig.PullTagAsync());
        Assert.Equal(["HEAD", "GET"], rig.Hub.Requests.Select(r => r.Method));
        var image = rig.Hub.AddImage(Rig.Name, "v1", Layer);
        rig.Clock.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(image.Digest, await rig.PullTagAsync());
    }

    [Fact]
    public async Task Uncached_tag_of_a_failing_upstream_is_unavailable_and_not_absent()
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.When(_ => true).Respond(500);
        Assert.Equal("Unavailable", await rig.PullTagAsync());
    }

    [Fact]
    public async Task Whole_image_is_served_from_disk_while_the_upstream_is_down()
    {
        await using var rig = await Rig.StartAsync();
        var (one, two) = (rig.Hub.AddImage(Rig.Name, null, Layer), rig.Hub.AddImage(Rig.Name, null, Layer, Layer[..10]));
        var index = rig.Hub.AddIndex(Rig.Name, "v1", one, two);
        Assert.Equal(index, await rig.PullTagAsync());
        foreach (var image in new[] { one, two })
        {
            Assert.IsType<Answer<StoredManifest>.Found>(await rig.Gate.GetManifestAsync(Rig.Caller, new(Rig.D(image.Digest)), default));
            foreach (var blob in image.Layers.Append(image.Config)) await Rig.ReadAsync(rig.Backing, blob);
        }
        await rig.SettleAsync();
        rig.Hub.When(_ => true).Respond(502);
        rig.Clock.Advance(TimeSpan.FromDays(1));
        await rig.RestartAsync();
        Assert.Equal(index, await rig.PullTagAsync());
        foreach (var image in new[] { one, two })
        {
            var manifest = await rig.Gate.GetManifestAsync(Rig.Caller, new(Rig.D(image.Digest)), default);
            Assert.Equal(image.Manifest, Assert.IsType<Answer<StoredManifest>.Found>(manifest).Value.Bytes.ToArray());
            foreach (var blob in image.Layers.Append(image.Config))
                Assert.Equal(blob, ScriptedUpstream.DigestOf(await Rig.ReadAsync(rig.Backing, blob)));
        }
    }
}
