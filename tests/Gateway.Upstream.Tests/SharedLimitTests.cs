using System.Collections.Concurrent;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Two gateways with the same account at an upstream with a rate limit.</summary>
public sealed class SharedLimitTests : UpstreamTest
{
    private readonly Board _board = new();

    private async Task<IUpstreamRegistry> GatewayAsync(string id) =>
        (await BuildAllAsync(OptionsFor(Hub), shared: new Place(_board, id, Clock)))["hub"];

    private static async Task PullAsync(IUpstreamRegistry upstream, int times = 1)
    {
        for (var i = 0; i < times; i++) await ReadAsync(await upstream.SendAsync(Manifest(), default));
    }

    private static UpstreamRequest Revalidation(long heldAt) =>
        Manifest(method: HttpMethod.Head) with { IsHeldAt = budget => budget.Remaining <= heldAt };

    /// <summary>Waits until the other gateway's statement has arrived, which is told in the background.</summary>
    private async Task<RateLimit?> LearnedAsync(IUpstreamRegistry upstream, long remaining)
    {
        for (var tries = 0; upstream.RateLimit?.Remaining != remaining && tries < 200; tries++)
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            await ReadAsync(await upstream.SendAsync(Blob(), default));
            await Task.Delay(10);
        }
        return upstream.RateLimit;
    }

    [Fact]
    public async Task Gateway_that_sent_no_request_knows_what_remains_and_is_held_by_it()
    {
        Hub.LimitRates(100);
        var (one, two) = (await GatewayAsync("one"), await GatewayAsync("two"));
        await PullAsync(one, 80);

        Assert.Equal(new RateLimit(100, 20), await LearnedAsync(two, 20));

        await Assert.ThrowsAsync<UpstreamHeldException>(() => two.SendAsync(Revalidation(heldAt: 20), default));
        Assert.Equal(0, Hub.Count(each => each.Method == "HEAD"));
    }

    [Fact]
    public async Task Requests_in_flight_at_the_other_gateway_count()
    {
        Hub.LimitRates(100);
        var (one, two) = (await GatewayAsync("one"), await GatewayAsync("two"));
        await PullAsync(one);
        await PullAsync(two);
        var gate = new TaskCompletionSource();
        Hub.When(each => each.Method == "HEAD").WaitFor(gate.Task);
        // 98 remain. One gateway has eight requests in flight, so that 90 remain for both.
        var waiting = Enumerable.Range(0, 8).Select(_ => one.SendAsync(Manifest(method: HttpMethod.Head), default)).ToArray();
        await Eventually(() => Hub.Count(each => each.Method == "HEAD") == 8);

        var held = await Assert.ThrowsAsync<UpstreamHeldException>(() => two.SendAsync(Revalidation(heldAt: 90), default));

        Assert.InRange(held.Budget.Remaining, 0, 90);
        gate.SetResult();
        foreach (var response in await Task.WhenAll(waiting)) await response.DisposeAsync();
    }

    [Fact]
    public async Task Without_an_answer_of_the_others_each_gateway_has_its_share()
    {
        Hub.LimitRates(100);
        var one = await GatewayAsync("one");
        (_board.Replicas, _board.IsSilent) = (4, true);
        await PullAsync(one);
        var gate = new TaskCompletionSource();
        Hub.When(each => each.Method == "HEAD").WaitFor(gate.Task);

        var waiting = Enumerable.Range(0, 5).Select(_ => one.SendAsync(Manifest(method: HttpMethod.Head), default)).ToArray();
        await Eventually(() => Hub.Count(each => each.Method == "HEAD") == 5);

        // 99 remain, and each of the four may have as many in flight.
        Assert.Equal(79, one.RateLimit!.Value.Remaining);
        gate.SetResult();
        foreach (var response in await Task.WhenAll(waiting)) await response.DisposeAsync();
    }

    [Fact]
    public async Task Later_statement_of_the_upstream_replaces_what_another_gateway_told()
    {
        var limiter = Hub.LimitRates(100);
        var (one, two) = (await GatewayAsync("one"), await GatewayAsync("two"));
        await PullAsync(one, 95);
        Assert.Equal(5, (await LearnedAsync(two, 5))!.Value.Remaining);
        limiter.Renew();

        Clock.Advance(TimeSpan.FromSeconds(1));
        await PullAsync(two);

        Assert.Equal(99, two.RateLimit!.Value.Remaining);
    }

    [Fact]
    public async Task Limit_of_another_source_is_another_limit()
    {
        Hub.LimitRates(100);
        Hub.When(each => each.IsAnyManifest).Once().Header("docker-ratelimit-source", "192.0.2.1");
        var (one, two) = (await GatewayAsync("one"), await GatewayAsync("two"));
        await PullAsync(two);
        Hub.When(each => each.IsAnyManifest).Header("docker-ratelimit-source", "192.0.2.2");
        await PullAsync(one, 50);

        Clock.Advance(TimeSpan.FromSeconds(1));
        await ReadAsync(await two.SendAsync(Blob(), default));

        Assert.Equal(99, two.RateLimit!.Value.Remaining);
    }

    [Fact]
    public async Task Endpoint_that_fails_at_another_gateway_is_given_up_at_the_first_failure()
    {
        Hub.When(each => each.IsAnyManifest).Respond(503);
        var (one, two) = (await GatewayAsync("one"), await GatewayAsync("two"));
        for (var i = 0; i < 3; i++) await FailureOfAsync(one, Manifest());
        await Eventually(() => _board.Values.Values.Any(each => each.Limits.Open.Count > 0));

        Assert.Equal(503, (await FailureOfAsync(two, Manifest())).Status);
        Assert.Contains("failed several times", (await FailureOfAsync(two, Manifest())).Message, StringComparison.Ordinal);

        Assert.Equal(4, Hub.Count(each => each.Status == 503));
    }

    [Fact]
    public async Task Endpoint_that_fails_at_another_gateway_alone_is_asked()
    {
        var one = await GatewayAsync("one");
        _board.Values["two"] = (new([], new Dictionary<string, long> { [Hub.Url.AbsoluteUri] = 10_000 }), Clock.GetUtcNow());

        await PullAsync(one, 2);

        Assert.Equal(2, Hub.Count(each => each.IsAnyManifest));
    }

    private static async Task Eventually(Func<bool> condition)
    {
        for (var tries = 0; !condition(); tries++)
        {
            Assert.True(tries < 1000, "expected the condition within 10 s");
            await Task.Delay(10);
        }
    }

    /// <summary>What the gateways of a test have told.</summary>
    private sealed class Board
    {
        public ConcurrentDictionary<string, (UpstreamLimits Limits, DateTimeOffset At)> Values { get; } = new();

        public int Replicas { get; set; } = 2;

        public bool IsSilent { get; set; }
    }

    private sealed class Place(Board board, string id, TimeProvider clock) : ISharedLimits
    {
        public int Replicas => board.Replicas;

        public Task<IReadOnlyList<UpstreamLimits>?> ExchangeAsync(RegistryOptions upstream, UpstreamLimits mine)
        {
            if (board.IsSilent) return Task.FromResult<IReadOnlyList<UpstreamLimits>?>(null);
            board.Values[id] = (mine, clock.GetUtcNow());
            return Task.FromResult<IReadOnlyList<UpstreamLimits>?>([.. board.Values.Where(each => each.Key != id)
                .Select(each => each.Value.Limits with { Age = clock.GetUtcNow() - each.Value.At })]);
        }
    }
}
