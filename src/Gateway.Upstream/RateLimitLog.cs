using Microsoft.Extensions.Logging;

namespace Gateway.Upstream;

/// <summary>Says once when an upstream's rate limit runs low, once when only the reserve is left, and once when that is over.</summary>
internal sealed class RateLimitLog(string upstream, ILogger logger)
{
    private int _level;

    public void Watch(RateLimit? left)
    {
        var level = left is not { } limit ? 0 : limit.Stretch switch { null => 2, > 1 => 1, _ => 0 };
        var before = Volatile.Read(ref _level);
        // From the reserve it goes back to plenty only: requests that end give back some, which is no news.
        if (level == before || (level == 1 && before == 2)) return;
        if (Interlocked.CompareExchange(ref _level, level, before) != before) return;
        if (left is { } said && level == 2) Log.ReserveLeft(logger, upstream, said.Remaining, said.Limit);
        else if (left is { } some && level == 1) Log.LimitRunsLow(logger, upstream, some.Remaining, some.Limit);
        else Log.LimitEased(logger, upstream);
    }
}
