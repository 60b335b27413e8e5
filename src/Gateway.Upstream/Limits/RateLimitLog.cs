namespace Gateway.Upstream;

/// <summary>Logs once when an upstream's rate budget becomes low, once when only the reserve remains, and once when it recovers.</summary>
/// <param name="upstream">The upstream's key in the configuration.</param>
internal sealed class RateLimitLog(string upstream, ILogger logger)
{
    private int _level;

    /// <summary>Logs a change of level.</summary>
    /// <param name="budget">The current rate budget; null if it is unknown.</param>
    public void Watch(RateLimit? budget)
    {
        var level = budget is not { } limit ? 0 : limit.Stretch switch { null => 2, > 1 => 1, _ => 0 };
        var before = Volatile.Read(ref _level);
        // After the reserve, only full recovery is logged: the budget varies a little because requests in flight end.
        if (level == before || (level == 1 && before == 2)) return;
        if (Interlocked.CompareExchange(ref _level, level, before) != before) return;
        if (budget is { } said && level == 2) Log.OnlyReserveRemains(logger, upstream, said.Remaining, said.Limit);
        else if (budget is { } some && level == 1) Log.BudgetIsLow(logger, upstream, some.Remaining, some.Limit);
        else Log.BudgetRecovered(logger, upstream);
    }
}
