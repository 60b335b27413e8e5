using Gateway.Configuration;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>A rate budget that runs low: tags are revalidated less often, so that the remaining budget serves cold content.</summary>
public sealed class BudgetTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 43);

    private static async Task<Rig> WarmAsync(int tags, Func<UpstreamOptions, UpstreamOptions>? configure = null)
    {
        var rig = await Rig.StartAsync(configure);
        var image = rig.Hub.AddImage(Rig.Name, "t0", Layer);
        for (var i = 1; i < tags; i++) rig.Hub.Tag(Rig.Name, $"t{i}", image.Digest);
        for (var i = 0; i < tags; i++) Assert.Equal(image.Digest, await rig.PullTagAsync($"t{i}"));
        return rig;
    }

    /// <summary>Uses up the limit down to this number of requests by cold pulls, one after another.</summary>
    private static async Task SpendToAsync(Rig rig, RateLimiter limits, int limit, int budget)
    {
        for (var i = 0; limit - limits.Used("") > budget; i++)
        {
            rig.Hub.AddImage(Rig.Name, $"spent{i}", ScriptedUpstream.Bytes(100, i));
            await rig.PullTagAsync($"spent{i}");
        }
        Assert.Equal(budget, limit - limits.Used(""));
    }

    [Fact]
    public async Task Revalidating_200_tags_within_a_rate_limit_of_100_causes_no_429_and_leaves_budget_for_cold_pulls()
    {
        await using var rig = await WarmAsync(200);
        var limits = rig.Hub.LimitRates(100, r => r.IsHead || r.IsGet);
        await SpendToAsync(rig, limits, 100, budget: 98);
        for (var round = 0; round < 30; round++)
        {
            rig.Clock.Advance(TimeSpan.FromMinutes(6));
            var pulls = Enumerable.Range(0, 200).Select(i => rig.PullTagAsync($"t{i}"));
            Assert.DoesNotContain(await Task.WhenAll(pulls), answer => !answer.StartsWith("sha256:", StringComparison.Ordinal));
        }
        // Some more: concurrent requests may have checked the budget before others were counted.
        Assert.InRange(limits.Used(""), 60, 92);
        for (var i = 0; i < 4; i++)
        {
            var cold = rig.Hub.AddImage(Rig.Name, $"cold{i}", ScriptedUpstream.Bytes(100, 500 + i));
            Assert.Equal(cold.Digest, await rig.PullTagAsync($"cold{i}"));
        }
        Assert.Equal(0, rig.Hub.Count(r => r.Status == 429));
    }

    [Fact]
    public async Task Low_rate_budget_delays_revalidation_and_the_answer_says_so()
    {
        await using var rig = await WarmAsync(1);
        var limits = rig.Hub.LimitRates(20);
        await SpendToAsync(rig, limits, 20, budget: 7);
        var heads = rig.Hub.Count(r => r.IsHead && r.Reference == "t0");
        rig.Clock.Advance(TimeSpan.FromMinutes(9));
        var held = await rig.ResolveAsync("t0");
        Assert.True(held.IsHit);
        Assert.Contains("7 requests of its rate limit of 20 remain", held.Notice, StringComparison.Ordinal);
        Assert.Equal(heads, rig.Hub.Count(r => r.IsHead && r.Reference == "t0"));
        rig.Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Null((await rig.ResolveAsync("t0")).Notice);
        Assert.Equal(heads + 1, rig.Hub.Count(r => r.IsHead && r.Reference == "t0"));
        // A clock that is set back makes the tag as old as the difference.
        rig.Clock.Advance(TimeSpan.FromHours(-5));
        Assert.Null((await rig.ResolveAsync("t0")).Notice);
        Assert.Equal(heads + 2, rig.Hub.Count(r => r.IsHead && r.Reference == "t0"));
    }

    [Fact]
    public async Task At_the_reserve_of_the_rate_budget_tags_are_not_revalidated_and_cold_tags_are_still_pulled()
    {
        await using var rig = await WarmAsync(1);
        var limits = rig.Hub.LimitRates(20);
        await SpendToAsync(rig, limits, 20, budget: 4);
        rig.Clock.Advance(TimeSpan.FromHours(5));
        var asked = rig.Hub.Requests.Count;
        Assert.NotNull((await rig.ResolveAsync("t0")).Notice);
        Assert.Equal(asked, rig.Hub.Requests.Count);
        var cold = rig.Hub.AddImage(Rig.Name, "cold", Layer);
        Assert.Equal(cold.Digest, await rig.PullTagAsync("cold"));
        limits.Renew();
        rig.Clock.Advance(TimeSpan.FromHours(2));
        Assert.Null((await rig.ResolveAsync("t0")).Notice);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Options_that_exclude_stale_tags_revalidate_until_the_rate_budget_is_empty(bool always)
    {
        await using var rig = await WarmAsync(1, o => o with
        {
            Tags = always ? new() { RevalidateAfter = TimeSpan.Zero } : new() { OnUnavailable = StaleUse.Deny },
        });
        var limits = rig.Hub.LimitRates(20, r => r.IsHead || r.IsGet);
        await SpendToAsync(rig, limits, 20, budget: 2);
        for (var i = 0; i < 2; i++)
        {
            rig.Clock.Advance(TimeSpan.FromMinutes(6));
            Assert.Null((await rig.ResolveAsync("t0")).Notice);
        }
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal(always, (await rig.PullTagAsync("t0")).StartsWith("sha256:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Upstream_that_announces_no_limit_is_asked_as_usual_and_its_429_serves_the_cached_tag()
    {
        await using var rig = await WarmAsync(3);
        rig.Hub.LimitRates(2, r => r.IsHead).IsSilent = true;
        rig.Clock.Advance(TimeSpan.FromMinutes(6));
        for (var i = 0; i < 3; i++) Assert.StartsWith("sha256:", await rig.PullTagAsync($"t{i}"), StringComparison.Ordinal);
        Assert.Equal(1, rig.Hub.Count(r => r.Status == 429));
    }

    [Fact]
    public async Task Pulling_60_images_600_times_with_three_accounts_of_100_requests_causes_no_429()
    {
        await using var rig = await Rig.StartAsync(o => o with
        {
            Credentials = [new() { Username = "a", Password = "a" }, new() { Username = "b", Password = "b" }, CredentialOptions.Anonymous],
        });
        var tokens = rig.Hub.RequireToken();
        tokens.AddUser("a", "a");
        tokens.AddUser("b", "b");
        tokens.Anonymous = true;
        var limits = rig.Hub.LimitRates(100, r => r.IsHead || r.IsGet);
        var images = Enumerable.Range(0, 60).Select(i => rig.Hub.AddImage(Rig.Name, $"t{i}", ScriptedUpstream.Bytes(100, i))).ToArray();
        for (var i = 0; i < 600; i++)
        {
            rig.Clock.Advance(TimeSpan.FromSeconds(30));
            var image = i * 7 % 60;
            Assert.Equal(images[image].Digest, await rig.PullTagAsync($"t{image}"));
        }
        Assert.Equal(0, rig.Hub.Count(r => r.Status == 429));
        Assert.All(["", "a", "b"], user => Assert.InRange(limits.Used(user), 50, 85));
    }
}
