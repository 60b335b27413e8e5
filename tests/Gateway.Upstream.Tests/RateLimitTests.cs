using System.Diagnostics.Metrics;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Rate limits: how they are read from responses, shared among accounts, and reported to the operator.</summary>
public sealed class RateLimitTests : UpstreamTest
{
    private static string Basic(string user) =>
        $"Basic {Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"{user}:canary-{user}"))}";

    private RegistryOptions As(params string[] users)
    {
        foreach (var user in users.Where(user => user != "anonymous")) Hub.RequireBasic(user, $"canary-{user}");
        return OptionsFor(Hub) with
        {
            Credentials = [.. users.Select(user => user == "anonymous"
                ? CredentialOptions.Anonymous
                : new CredentialOptions { Username = user, Password = $"canary-{user}" })],
        };
    }

    private static async Task PullAsync(IUpstreamRegistry upstream, int times = 1)
    {
        for (var i = 0; i < times; i++) await ReadAsync(await upstream.SendAsync(Manifest(), default));
    }

    private int Shown(string user, int status = 200) => Hub.Count(r => r.Authorization == Basic(user) && r.Status == status);

    [Theory]
    [InlineData("100;w=21600", "76;w=21600", null, 100, 76, 21600)]
    [InlineData("100", "76", "30", 100, 76, 30)]
    [InlineData("100, 100;w=60;burst=1000", "100", null, 100, 100, 60)]
    [InlineData("100", "200", null, 100, 100, 60)]
    [InlineData("100;w=99999999999999999", "0", null, 100, 0, 86400)]
    public async Task Limit_is_read_in_each_form_and_expires_with_its_window(
        string limit, string remaining, string? reset, long expectedLimit, long budget, int seconds)
    {
        Hub.When(r => r.IsAnyManifest)
            .Header("RateLimit-Limit", limit).Header("RateLimit-Remaining", remaining).Header("RateLimit-Reset", reset);
        var upstream = await BuildAsync();
        Assert.Null(upstream.RateLimit);
        await PullAsync(upstream);
        Assert.Equal(new RateLimit(expectedLimit, budget), upstream.RateLimit);
        Clock.Advance(TimeSpan.FromSeconds(seconds - 20));
        Assert.NotNull(upstream.RateLimit);
        Clock.Advance(TimeSpan.FromSeconds(21));
        Assert.Null(upstream.RateLimit);
    }

    [Fact]
    public async Task Reset_in_Unix_time_is_read()
    {
        var ends = Clock.GetUtcNow().AddSeconds(100).ToUnixTimeSeconds();
        Hub.When(r => r.IsAnyManifest)
            .Header("RateLimit-Limit", "10").Header("RateLimit-Remaining", "4").Header("RateLimit-Reset", $"{ends}");
        var upstream = await BuildAsync();
        await PullAsync(upstream);
        Assert.Equal(0.4, upstream.RateLimit!.Value.Share);
        Clock.Advance(TimeSpan.FromSeconds(101));
        Assert.Null(upstream.RateLimit);
    }

    [Theory]
    [InlineData("many", "76")]
    [InlineData("0", "0")]
    [InlineData("-5", "3")]
    [InlineData("100", null)]
    [InlineData(null, "3")]
    public async Task Invalid_limit_is_ignored(string? limit, string? remaining)
    {
        Hub.When(r => r.IsAnyManifest).Header("ratelimit-limit", limit).Header("ratelimit-remaining", remaining);
        var upstream = await BuildAsync();
        await PullAsync(upstream);
        Assert.Null(upstream.RateLimit);
    }

    [Theory]
    [InlineData(100, 1.0)]
    [InlineData(50, 1.0)]
    [InlineData(40, 1.5)]
    [InlineData(35, 2.0)]
    [InlineData(23, 10.0)]
    [InlineData(20, null)]
    [InlineData(0, null)]
    public void Stretch_depends_on_the_remaining_share(long remaining, double? expected)
    {
        var stretch = new RateLimit(100, remaining).Stretch;
        Assert.Equal(expected is null, stretch is null);
        Assert.Equal(expected ?? 0, stretch ?? 0, 6);
    }

    [Fact]
    public void Stretch_never_decreases_as_requests_are_used()
    {
        var all = Enumerable.Range(0, 10_001).Select(n => new RateLimit(10_000, n).Stretch ?? double.PositiveInfinity).ToArray();
        Assert.All(Enumerable.Range(1, 10_000), n => Assert.True(all[n] <= all[n - 1]));
    }

    [Fact]
    public async Task Accounts_are_used_in_proportion_to_their_limits()
    {
        var options = As("small", "large");
        var limits = Hub.LimitRates(100);
        limits.Limits[Basic("large")] = 300;
        var upstream = await BuildAsync(options);
        await PullAsync(upstream, 200);
        Assert.InRange(Shown("small"), 45, 55);
        Assert.InRange(Shown("large"), 145, 155);
        Assert.Equal(new RateLimit(400, 200), upstream.RateLimit);
        await PullAsync(upstream, 200);
        Assert.Equal(0, Hub.Count(r => r.Status == 429));
    }

    [Fact]
    public async Task Concurrent_requests_are_distributed_over_accounts_before_the_first_response()
    {
        var options = As("one", "other");
        Hub.LimitRates(100);
        var upstream = await BuildAsync(options);
        await PullAsync(upstream, 2);
        var gate = new TaskCompletionSource();
        Hub.When(r => r.IsAnyManifest).WaitFor(gate.Task);
        var pulls = Enumerable.Range(0, 20).Select(_ => PullAsync(upstream)).ToArray();
        await Hub.ReceivedAsync(_ => Hub.Requests.Count(r => r.Authorization is not null && r.Status == 0) == 20);
        gate.SetResult();
        await Task.WhenAll(pulls);
        Assert.Equal(Shown("one"), Shown("other"));
    }

    [Fact]
    public async Task Answer_429_does_not_end_the_window()
    {
        var limits = Hub.LimitRates(100);
        limits.RetryAfter = 60;
        var upstream = await BuildAsync();
        await PullAsync(upstream, 10);
        Hub.When(r => r.IsAnyManifest).Once().Respond(429).Header("Retry-After", "60");
        await FailureOfAsync(upstream, Manifest());
        Assert.Equal(new RateLimit(100, 0), upstream.RateLimit);
        Clock.Advance(TimeSpan.FromSeconds(61));
        Assert.InRange(upstream.RateLimit!.Value.Remaining, 89, 90);
    }

    [Fact]
    public async Task Next_account_is_used_after_a_429()
    {
        var options = As("one", "other");
        var limits = Hub.LimitRates(1);
        (limits.IsSilent, limits.RetryAfter) = (true, 60);
        limits.Limits[Basic("other")] = 5;
        var upstream = await BuildAsync(options);
        await PullAsync(upstream, 6);
        Assert.Equal((1, 1), (Shown("one"), Shown("one", 429)));
        Assert.Equal(5, Shown("other"));
        var failure = await FailureOfAsync(upstream, Manifest());
        Assert.Equal(UpstreamFailure.RateLimited, failure.Failure);
        Assert.Equal(UpstreamFailure.RateLimited, (await FailureOfAsync(upstream, Manifest())).Failure);
        Assert.Equal(2, Hub.Count(r => r.Status == 429));
        limits.Renew();
        Clock.Advance(TimeSpan.FromSeconds(61));
        await PullAsync(upstream);
    }

    [Fact]
    public async Task Account_whose_limit_is_used_up_pauses_until_its_window_ends_but_at_most_15_minutes()
    {
        Hub.LimitRates(1).Window = 120;
        var upstream = await BuildAsync();
        await PullAsync(upstream);
        Assert.InRange((await FailureOfAsync(upstream, Manifest())).RetryAfter!.Value.TotalSeconds, 100, 120);
        var other = await StartAsync();
        other.AddImage(Name, "latest", Layer);
        other.LimitRates(0).Limits[""] = 1;
        var slow = await BuildAsync(OptionsFor(other));
        await PullAsync(slow);
        Assert.Equal(15, (await FailureOfAsync(slow, Manifest())).RetryAfter!.Value.TotalMinutes, 0.1);
    }

    [Fact]
    public async Task Refused_password_does_not_affect_other_accounts()
    {
        var options = As("good");
        options = options with { Credentials = [new() { Username = "bad", Password = "wrong" }, .. options.Credentials] };
        Hub.LimitRates(100);
        var upstream = await BuildAsync(options);
        await PullAsync(upstream, 5);
        Assert.Equal(5, Shown("good"));
        // One request for the manifest, and one to the base endpoint, which shows that the password itself is wrong.
        Assert.Equal(2, Hub.Count(r => r.Authorization is { } shown && shown != Basic("good")));
        Assert.Equal(new RateLimit(100, 95), upstream.RateLimit);
    }

    [Fact]
    public async Task Anonymous_account_is_not_used_again_for_a_repository_that_refused_it()
    {
        var tokens = Hub.RequireToken();
        tokens.AddUser("me", "canary-me");
        tokens.Anonymous = true;
        var limits = Hub.LimitRates(100);
        var upstream = await BuildAsync(
            OptionsFor(Hub) with { Credentials = [CredentialOptions.Anonymous, new() { Username = "me", Password = "canary-me" }] });
        await PullAsync(upstream, 10);
        Assert.Equal((5, 5), (limits.Used(""), limits.Used("me")));
        tokens.Anonymous = false;
        tokens.Revoke();
        var before = Hub.Count(r => r.IsToken && r.Authorization is null);
        await PullAsync(upstream, 10);
        Assert.Equal(before + 1, Hub.Count(r => r.IsToken && r.Authorization is null));
        Assert.Equal((5, 15), (limits.Used(""), limits.Used("me")));
    }

    [Fact]
    public async Task Request_that_is_refused_to_all_accounts_is_unauthorized()
    {
        var options = As("one", "other");
        Hub.When(r => r.IsAnyManifest && r.Authorization is not null).Respond(403);
        var failure = await FailureOfAsync(await BuildAsync(options), Manifest());
        Assert.Equal((UpstreamFailure.Unauthorized, 403), (failure.Failure, failure.Status));
        Assert.Equal((1, 1), (Shown("one", 403), Shown("other", 403)));
    }

    [Fact]
    public async Task Log_has_one_line_each_for_a_low_budget_the_reserve_and_the_recovery()
    {
        var limits = Hub.LimitRates(20);
        var upstream = await BuildAsync();
        await PullAsync(upstream, 9);
        Assert.DoesNotContain("rate limit", Logged.Text, StringComparison.Ordinal);
        await PullAsync(upstream, 10);
        limits.Renew();
        await PullAsync(upstream, 3);
        Assert.Equal(
            ["less often", "not revalidating", "recovered"],
            Logged.Text.Split('\n').Where(line => line.Contains("rate limit", StringComparison.Ordinal))
                .Select(line => new[] { "less often", "not revalidating", "recovered" }.Single(line.Contains)));
    }

    [Fact]
    public async Task Metrics_have_upstream_and_account_and_never_a_secret()
    {
        var options = As("one", "other") with { Key = $"hub-{Guid.NewGuid():N}" };
        Hub.LimitRates(100).Limits[Basic("other")] = 10;
        var upstream = await BuildAsync(options);
        await PullAsync(upstream, 2);
        var seen = new List<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name.StartsWith("gateway.upstream", StringComparison.Ordinal)) l.EnableMeasurementEvents(instrument);
        };
        void Note(Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var labels = tags.ToArray();
            if (labels.Any(l => l.Value?.ToString() == options.Key))
                seen.Add($"{instrument.Name} {labels.FirstOrDefault(l => l.Key == "credential").Value} {value}");
        }
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.Start();
        listener.RecordObservableInstruments();
        await PullAsync(upstream);
        string[] expected =
        [
            "gateway.upstream.ratelimit.limit one 100",
            "gateway.upstream.ratelimit.limit other 10",
            "gateway.upstream.ratelimit.remaining one 99",
            "gateway.upstream.ratelimit.remaining other 9",
            "gateway.upstream.requests  1",
            "gateway.upstream.up  1",
        ];
        Assert.Equal(expected, seen.Distinct().Order(StringComparer.Ordinal));
    }
}
