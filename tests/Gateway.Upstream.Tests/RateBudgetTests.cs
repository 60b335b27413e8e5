using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>The rate budget while many requests are in flight.</summary>
public sealed class RateBudgetTests : UpstreamTest
{
    [Fact]
    public async Task Concurrent_requests_do_not_exceed_the_rate_budget()
    {
        const int threads = 8;
        var credentials = new CredentialSource(OptionsFor(Hub), CredentialOptions.Anonymous, TimeSpan.FromMinutes(1), Clock);
        var account = new Account("one", credentials, Clock);
        var accounts = new Accounts([account]);
        using var answer = Told(10_000, 10_000, window: 60);
        account.Budget.Note(answer.Headers.NonValidated, account.Budget.Now);
        var request = Manifest() with { IsHeldAt = budget => budget.Remaining <= 5000 };
        using var start = new Barrier(threads);
        var sent = await Task.WhenAll(Enumerable.Range(0, threads).Select(_ => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                return Enumerable.Range(0, 5000).Count(_ => IsSent(accounts, account, request));
            },
            default, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        Assert.Equal(5000, sent.Sum());
    }

    private static bool IsSent(Accounts accounts, Account account, UpstreamRequest request)
    {
        if (accounts.RateLimit is { Remaining: 5000 }) return false;
        try
        {
            accounts.Count(account, request);
            return true;
        }
        catch (UpstreamHeldException held)
        {
            Assert.Equal(5000, held.Budget.Remaining);
            return false;
        }
    }

    [Fact]
    public void Responses_in_any_order_do_not_raise_the_rate_budget_and_a_new_window_does()
    {
        var budget = new RateBudget(Clock);
        var together = Known(98);
        Assert.Equal(60, After(60, together));
        Assert.Equal(60, After(97, together));
        Assert.Equal(60, After(65, budget.Now));
        Assert.Equal(59, After(59, budget.Now));
        Clock.Advance(TimeSpan.FromMinutes(9));
        var late = budget.Now;
        Assert.Equal(90, After(90, budget.Now));
        Assert.Equal(58, After(58, late));
        Assert.Equal(89, After(89, budget.Now));
        Clock.Advance(TimeSpan.FromMinutes(9));
        Assert.Equal(88, After(88, budget.Now));
        Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(budget.RateLimit);

        RateBudget.Moment Known(int remaining)
        {
            After(remaining, budget.Now);
            return budget.Now;
        }

        long After(int remaining, RateBudget.Moment asked)
        {
            using var answer = Told(100, remaining, window: 600);
            budget.Note(answer.Headers.NonValidated, asked);
            return budget.RateLimit!.Value.Remaining;
        }
    }

    private static HttpResponseMessage Told(int limit, int remaining, int window)
    {
        var answer = new HttpResponseMessage();
        answer.Headers.Add("ratelimit-limit", $"{limit};w={window}");
        answer.Headers.Add("ratelimit-remaining", $"{remaining};w={window}");
        return answer;
    }
}
