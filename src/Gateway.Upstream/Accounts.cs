using System.Collections.Immutable;

namespace Gateway.Upstream;

/// <summary>Who we are to an upstream, and who asks next.</summary>
internal sealed class Accounts(ImmutableArray<Account> all)
{
    /// <summary>In the order of the configuration.</summary>
    public ImmutableArray<Account> All => all;

    private readonly Lock _sending = new();

    /// <summary>
    /// What is left of all their limits; null while one of those that may ask knows of none: then there is enough.
    /// </summary>
    public RateLimit? Left
    {
        get
        {
            RateLimit? sum = null;
            foreach (var account in all.Where(account => !account.Credentials.IsRefused))
            {
                if (account.Budget.Left is not { } left) return null;
                sum = new((sum?.Limit ?? 0) + left.Limit, (sum?.Remaining ?? 0) + left.Remaining);
            }
            return sum;
        }
    }

    /// <summary>
    /// Counts a request that goes out by one of them. It is weighed in the same step, so that of many at once no more go out than what is
    /// left allows; one that is held throws <see cref="UpstreamHeldException"/> and is not counted.
    /// </summary>
    public void Count(Account account, UpstreamRequest request)
    {
        lock (_sending)
        {
            if (request.IsHeldAt is { } isHeld && Left is { } left && isHeld(left)) throw new UpstreamHeldException(left);
            account.Budget.Sent();
        }
    }

    /// <summary>
    /// For a request about a repository: the one with the largest share left of its limit first, so that all run down together, each in
    /// proportion to what it may; those that were refused the repository last.
    /// </summary>
    public IEnumerable<Account> InOrderFor(UpstreamRequest request) => all.Length == 1
        ? all
        : all.OrderBy(account => account.IsRefused(request) || account.Credentials.IsRefused)
            .ThenByDescending(account => account.Budget.Left?.Share ?? double.PositiveInfinity);
}
