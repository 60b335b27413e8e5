using System.Collections.Immutable;

namespace Gateway.Upstream;

/// <summary>The accounts of the gateway at one upstream, and the order in which it uses them.</summary>
internal sealed class Accounts(ImmutableArray<Account> all)
{
    /// <summary>All accounts, in the order of the configuration.</summary>
    public ImmutableArray<Account> All => all;

    private readonly Lock _sending = new();

    /// <summary>
    /// The sum of what remains of the accounts' rate limits. Null if an account that is not refused has no known limit: requests are then
    /// not rationed.
    /// </summary>
    public RateLimit? RateLimit
    {
        get
        {
            RateLimit? sum = null;
            foreach (var account in all.Where(account => !account.Credentials.IsRefused))
            {
                if (account.Budget.RateLimit is not { } budget) return null;
                sum = new((sum?.Limit ?? 0) + budget.Limit, (sum?.Remaining ?? 0) + budget.Remaining);
            }
            return sum;
        }
    }

    /// <summary>
    /// Counts a request that the account is about to send. The rate budget is checked in the same step, so that concurrent requests cannot
    /// exceed it.
    /// </summary>
    /// <exception cref="UpstreamHeldException">The rate budget is too low for this request. The request is not counted.</exception>
    public void Count(Account account, UpstreamRequest request)
    {
        lock (_sending)
        {
            if (request.IsHeldAt is { } isHeld && RateLimit is { } budget && isHeld(budget)) throw new UpstreamHeldException(budget);
            account.Budget.Sent();
        }
    }

    /// <summary>
    /// Checks the rate budget again after <see cref="Count"/>, because the other gateways have told of their requests since then. The
    /// caller must end the request's count after an exception, as after any other failure.
    /// </summary>
    /// <exception cref="UpstreamHeldException">The rate budget is too low for this request.</exception>
    public void CheckCounted(UpstreamRequest request)
    {
        // Without the request itself, which is counted by now.
        if (request.IsHeldAt is { } isHeld && RateLimit is { } budget
            && isHeld(budget with { Remaining = Math.Min(budget.Remaining + 1, budget.Limit) })) throw new UpstreamHeldException(budget);
    }

    /// <summary>
    /// The accounts in the order in which the gateway tries them for this request. The account with the largest remaining share of its
    /// limit is first, so that all limits are used up in proportion. Accounts that the upstream refused in this repository are last.
    /// </summary>
    public IEnumerable<Account> InOrderFor(UpstreamRequest request) => all.Length == 1
        ? all
        : all.OrderBy(account => account.IsRefused(request) || account.Credentials.IsRefused)
            .ThenByDescending(account => account.Budget.RateLimit?.Share ?? double.PositiveInfinity);
}
