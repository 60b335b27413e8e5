using System.Collections.Immutable;

namespace Gateway.Upstream;

/// <summary>
/// Exchanges with the other gateways of a set what each knows of one upstream: the rate budgets of its accounts, and the breakers of its
/// endpoints.
/// </summary>
internal sealed class LimitExchange(
    RegistryOptions options, Accounts accounts, ImmutableDictionary<Uri, Breaker> breakers, ISharedLimits shared, TimeProvider clock)
{
    // Chosen: where no limit is known, a request must not wait for the other gateways more often than this.
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private DateTimeOffset _askedAt;
    private bool _wasOpen;
    private bool _isTelling;
    private bool _again;

    /// <summary>
    /// Before a request is sent: asks the others if the request counts against a limit that is known, or if they were not asked for a
    /// second. Returns whether they were asked.
    /// </summary>
    /// <param name="counted">Whether the request counts; it is in flight by now, so that the others see it.</param>
    public async ValueTask<bool> AskAsync(bool counted)
    {
        lock (_gate)
        {
            var now = clock.GetUtcNow();
            if (!(counted && accounts.RateLimit is not null) && (now - _askedAt).Duration() < Interval) return false;
            _askedAt = now;
        }
        await ExchangeAsync();
        return true;
    }

    /// <summary>After a request: tells the others in the background, if there is something to tell.</summary>
    /// <param name="counted">Whether the request counted against a limit.</param>
    public void Tell(bool counted)
    {
        var isOpen = breakers.Values.Any(breaker => breaker.IsOpen);
        lock (_gate)
        {
            if (!(counted && accounts.RateLimit is not null) && !isOpen && !_wasOpen) return;
            _wasOpen = isOpen;
            // One at a time, and one more after it: what it tells is of the moment in which it begins.
            (_again, var isTelling) = (_isTelling, _isTelling);
            _isTelling = true;
            if (!isTelling) _ = Task.Run(TellAsync);
        }
    }

    private async Task TellAsync()
    {
        while (true)
        {
            await ExchangeAsync();
            lock (_gate)
            {
                if (!(_isTelling = _again)) return;
                _again = false;
            }
        }
    }

    private async Task ExchangeAsync()
    {
        var open = breakers.Where(each => each.Value.IsOpen).ToDictionary(
            each => each.Key.AbsoluteUri, each => (long)each.Value.OpenFor.TotalMilliseconds);
        var told = await shared.ExchangeAsync(options, new([.. accounts.All.Select(each => each.Budget.Tell(each.Name))], open));
        foreach (var account in accounts.All) account.Budget.Hear(told, account.Name, shared.Replicas);
        foreach (var limits in told ?? [])
        {
            foreach (var (endpoint, breaker) in breakers)
            {
                if (limits.Open.TryGetValue(endpoint.AbsoluteUri, out var rest))
                    breaker.Doubt(TimeSpan.FromMilliseconds(rest) - limits.Age);
            }
        }
    }
}
