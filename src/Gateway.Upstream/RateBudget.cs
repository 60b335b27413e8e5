using System.Globalization;
using System.Net.Http.Headers;

namespace Gateway.Upstream;

/// <summary>
/// What one account may still ask, as an upstream's answers say it: <c>ratelimit-limit: 100;w=21600</c> and
/// <c>ratelimit-remaining: 76;w=21600</c> (Docker Hub, on HEAD and GET alike), or with <c>ratelimit-reset</c> in place of the window (IETF
/// draft-ietf-httpapi-ratelimit-headers-03, GitLab). An upstream that says nothing leaves it unknown.
/// </summary>
internal sealed class RateBudget(TimeProvider clock)
{
    // For a limit that names neither its window nor its end: what APIs commonly count by.
    private static readonly TimeSpan UsualWindow = TimeSpan.FromMinutes(1);

    // A longer window is a mistake; by then the upstream is asked what is left.
    private static readonly TimeSpan LongestWindow = TimeSpan.FromDays(1);

    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(15);

    // GitLab gives the end as Unix time; as seconds from now that would be 31 years.
    private const long LeastUnixTime = 1_000_000_000;

    // Chosen: a tenth of the limit given back is no new window, for a registry's machines count apart and agree later.
    private const int Jitter = 10;

    private readonly Lock _lock = new();
    private RateLimit? _told;
    private DateTimeOffset _resets;
    private DateTimeOffset _exhaustedUntil;
    private int _underWay;
    private long _windows;

    /// <summary>What is left; null where the upstream never said, or the window that it spoke of is over.</summary>
    public RateLimit? Left
    {
        get
        {
            lock (_lock)
            {
                if (Told is not { } told) return null;
                return told with { Remaining = clock.GetUtcNow() < _exhaustedUntil ? 0 : Math.Max(0, told.Remaining - _underWay) };
            }
        }
    }

    /// <summary>Until the window is over where nothing is left of it, 15 min at most, for limits are lifted early; else null.</summary>
    public TimeSpan? EmptyFor
    {
        get
        {
            lock (_lock)
            {
                if (Told is not { Remaining: 0 }) return null;
                var wait = _resets - clock.GetUtcNow();
                return wait < LongestRest ? wait : LongestRest;
            }
        }
    }

    private RateLimit? Told => _resets > clock.GetUtcNow() ? _told : null;

    /// <summary>Counts a request that goes out.</summary>
    public void Sent()
    {
        lock (_lock) _underWay++;
    }

    /// <summary>It has been answered, or will not be.</summary>
    public void Ended()
    {
        lock (_lock) _underWay--;
    }

    /// <summary>What is known as a request goes out: its answer tells of another window only if it gives back some of that.</summary>
    public Known Now
    {
        get
        {
            lock (_lock) return new Known(_windows, Told?.Remaining);
        }
    }

    /// <summary>Takes over what an answer's headers say.</summary>
    /// <param name="asked"><see cref="Now"/> when it was asked for: answers come in any order.</param>
    public void Note(HttpHeadersNonValidated headers, Known asked)
    {
        if (!TryRead(headers, "ratelimit-limit", out var limit, out var window) || limit == 0) return;
        if (!TryRead(headers, "ratelimit-remaining", out var remaining, out var other)) return;
        var now = clock.GetUtcNow();
        var ends = TryRead(headers, "ratelimit-reset", out var reset, out _) ? Until(reset, now) : null;
        lock (_lock)
        {
            var before = Told;
            var isSame = before?.Limit == limit && (asked.Window != _windows || !(remaining > asked.Remaining + (limit / Jitter)));
            _told = new RateLimit(limit, Math.Min(remaining, isSame ? before!.Value.Remaining : limit));
            if (!isSame) _windows++;
            // Where only its length is said, a window is taken to begin with its first answer.
            if (ends is not null) _resets = now + Bounded(ends.Value);
            else if (!isSame) _resets = now + Bounded(window ?? other ?? UsualWindow);
        }
    }

    /// <summary>After a 429: nothing is left for so long, where a limit is known. Its window stays as it was told.</summary>
    public void Exhausted(TimeSpan pause)
    {
        lock (_lock) _exhaustedUntil = clock.GetUtcNow() + pause;
    }

    /// <param name="Window">Counted from the first that was told of.</param>
    /// <param name="Remaining">Null where nothing was told yet.</param>
    public readonly record struct Known(long Window, long? Remaining);

    private static TimeSpan? Until(long reset, DateTimeOffset now) => reset >= LeastUnixTime
        ? DateTimeOffset.FromUnixTimeSeconds(Math.Min(reset, uint.MaxValue)) - now
        : TimeSpan.FromSeconds(reset);

    private static TimeSpan Bounded(TimeSpan window) => window < LongestWindow ? window : LongestWindow;

    /// <summary>The number at the start, and the seconds of a <c>w=</c> behind it.</summary>
    private static bool TryRead(HttpHeadersNonValidated headers, string name, out long number, out TimeSpan? window)
    {
        (number, window) = (0, null);
        if (!headers.TryGetValues(name, out var values)) return false;
        var text = values.ToString();
        var end = text.AsSpan().IndexOfAny(";,");
        if (!IsNumber(end < 0 ? text : text.AsSpan(0, end), out number)) return false;
        foreach (var part in text.Split(';', ',').Skip(1))
        {
            if (!part.AsSpan().Trim().StartsWith("w=")) continue;
            if (IsNumber(part.AsSpan().Trim()[2..], out var seconds) && seconds > 0)
                window = TimeSpan.FromSeconds(Math.Min(seconds, (long)LongestWindow.TotalSeconds));
            break;
        }
        return true;
    }

    private static bool IsNumber(ReadOnlySpan<char> text, out long number) =>
        long.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
