using System.Globalization;
using System.Net.Http.Headers;

namespace Gateway.Upstream;

/// <summary>
/// What remains of one account's rate limit, as the headers of an upstream's responses state it: <c>ratelimit-limit: 100;w=21600</c> and
/// <c>ratelimit-remaining: 76;w=21600</c> (Docker Hub, for HEAD and GET), or with <c>ratelimit-reset</c> instead of the window (IETF
/// draft-ietf-httpapi-ratelimit-headers-03, GitLab). It is unknown if the upstream sends no such headers. What other gateways with the same
/// account heard makes it smaller, never larger.
/// </summary>
internal sealed class RateBudget(TimeProvider clock)
{
    // Chosen for a limit without window and reset: the usual window of APIs.
    private static readonly TimeSpan UsualWindow = TimeSpan.FromMinutes(1);

    // Chosen: a longer window is an error of the upstream. After a day its next response states what remains.
    private static readonly TimeSpan LongestWindow = TimeSpan.FromDays(1);

    // Chosen: upstreams lift limits early.
    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(15);

    // GitLab sends ratelimit-reset as Unix time. As a number of seconds from now, this value would be 31 years.
    private const long LeastUnixTime = 1_000_000_000;

    // Chosen: an increase by at most a tenth of the limit is not a new window, because a registry's servers synchronize their counts late.
    private const int Jitter = 10;

    private readonly Lock _lock = new();
    private RateLimit? _stated;
    private DateTimeOffset _statedAt;
    private DateTimeOffset _resets;
    private DateTimeOffset _exhaustedUntil;
    private string? _source;
    private HeardBudget _heard = HeardBudget.None;
    private int _shares = 1;
    private int _inFlight;
    private long _windows;

    /// <summary>What remains of the limit; null if the upstream did not state it, or its window is over.</summary>
    public RateLimit? RateLimit
    {
        get
        {
            lock (_lock)
            {
                var now = clock.GetUtcNow();
                if (Known(now) is not { } known) return null;
                var isExhausted = now < _exhaustedUntil || now < _heard.ExhaustedUntil;
                // Without news of the other gateways, each of them may have as many requests in flight: this one has its share.
                var inFlight = ((long)_inFlight * _shares) + _heard.InFlight;
                return known with { Remaining = isExhausted ? 0 : Math.Max(0, known.Remaining - inFlight) };
            }
        }
    }

    /// <summary>When the window ends that the upstream stated, so that the limit is whole again; null when it stated none.</summary>
    public DateTimeOffset? Resets
    {
        get
        {
            lock (_lock) return Stated is null ? null : _resets;
        }
    }

    /// <summary>If the limit is used up: the time until its window ends, at most 15 min. Otherwise null.</summary>
    public TimeSpan? EmptyFor
    {
        get
        {
            lock (_lock)
            {
                if (Stated is not { Remaining: 0 }) return null;
                var wait = _resets - clock.GetUtcNow();
                return wait < LongestRest ? wait : LongestRest;
            }
        }
    }

    private RateLimit? Stated => _resets > clock.GetUtcNow() ? _stated : null;

    /// <summary>Counts a request that the account sends.</summary>
    public void Sent()
    {
        lock (_lock) _inFlight++;
    }

    /// <summary>Counts the end of a request, with or without a response.</summary>
    public void Ended()
    {
        lock (_lock) _inFlight--;
    }

    /// <summary>
    /// What is known when a request is sent. Its response belongs to a new window only if it states a larger remainder than this.
    /// </summary>
    public Moment Now
    {
        get
        {
            lock (_lock) return new Moment(_windows, Stated?.Remaining);
        }
    }

    /// <summary>Reads the limit from a response's headers.</summary>
    /// <param name="asked"><see cref="Now"/> when the request was sent, because responses arrive in any order.</param>
    public void Note(HttpHeadersNonValidated headers, Moment asked)
    {
        if (!TryRead(headers, "ratelimit-limit", out var limit, out var window) || limit == 0) return;
        if (!TryRead(headers, "ratelimit-remaining", out var remaining, out var other)) return;
        var now = clock.GetUtcNow();
        var ends = TryRead(headers, "ratelimit-reset", out var reset, out _) ? Until(reset, now) : null;
        // Docker Hub: the address or account whose requests are counted.
        var source = headers.TryGetValues("docker-ratelimit-source", out var sources) ? Bounded(sources.ToString()) : null;
        lock (_lock)
        {
            (_statedAt, _source) = (now, source);
            var before = Stated;
            var isSame = before?.Limit == limit && (asked.Window != _windows || !(remaining > asked.Remaining + (limit / Jitter)));
            _stated = new RateLimit(limit, Math.Min(remaining, isSame ? before!.Value.Remaining : limit));
            if (!isSame) _windows++;
            // If only the window's length is stated, the window is assumed to begin with its first response.
            if (ends is not null) _resets = now + Bounded(ends.Value);
            else if (!isSame) _resets = now + Bounded(window ?? other ?? UsualWindow);
        }
    }

    /// <summary>
    /// Records a 429: if the limit is known, nothing remains of it for <paramref name="pause"/>. The window does not change.
    /// </summary>
    public void Exhausted(TimeSpan pause)
    {
        lock (_lock) _exhaustedUntil = clock.GetUtcNow() + pause;
    }

    /// <summary>What this gateway tells the others about the account.</summary>
    public AccountLimits Tell(string name)
    {
        lock (_lock)
        {
            var now = clock.GetUtcNow();
            var told = new AccountLimits(name, _inFlight) { Source = _source, ExhaustedFor = Milliseconds(_exhaustedUntil - now) };
            return Stated is not { } stated ? told : told with
            {
                Limit = stated.Limit,
                Remaining = stated.Remaining,
                StatedBefore = Milliseconds(now - _statedAt),
                ResetsIn = Milliseconds(_resets - now),
            };
        }
    }

    /// <summary>Takes over what the other gateways told; null if they could not be asked.</summary>
    /// <param name="told">What each other gateway told.</param>
    /// <param name="replicas">The number of gateways that use the account, this one included.</param>
    public void Hear(IReadOnlyList<UpstreamLimits>? told, string name, int replicas)
    {
        lock (_lock)
        {
            _shares = told is null ? Math.Max(1, replicas) : 1;
            _heard = told is null ? _heard with { InFlight = 0 } : HeardBudget.Of(told, name, _source, clock.GetUtcNow());
        }
    }

    /// <summary>What is known of the limit at one moment, by this gateway's own requests.</summary>
    /// <param name="Window">The number of the window since the start.</param>
    /// <param name="Remaining">What remained then, in requests; null if unknown.</param>
    public readonly record struct Moment(long Window, long? Remaining);

    /// <summary>
    /// The upstream's last statement to this gateway, or to another one if that is newer and smaller, or this gateway knows none. Requests
    /// overlap, so an older statement that is a little smaller counts too.
    /// </summary>
    private RateLimit? Known(DateTimeOffset now)
    {
        var heard = _heard.Resets > now ? _heard.Stated : null;
        if (Stated is not { } own) return heard;
        if (heard is not { } said || said.Limit != own.Limit || said.Remaining >= own.Remaining) return own;
        return _heard.StatedAt > _statedAt || own.Remaining - said.Remaining <= own.Limit / Jitter ? said : own;
    }

    private static long Milliseconds(TimeSpan time) => Math.Max(0, (long)time.TotalMilliseconds);

    // Chosen: an address or an account's id; a longer one names nothing.
    private static string? Bounded(string source) => source.Length is > 0 and <= 128 ? source : null;

    /// <summary>The time until a moment that an upstream states as seconds from now, or as Unix time.</summary>
    internal static TimeSpan? Until(long reset, DateTimeOffset now) => reset >= LeastUnixTime
        ? DateTimeOffset.FromUnixTimeSeconds(Math.Min(reset, uint.MaxValue)) - now
        : TimeSpan.FromSeconds(reset);

    private static TimeSpan Bounded(TimeSpan window) => window < LongestWindow ? window : LongestWindow;

    /// <summary>Reads the number at the start of a header, and the window of its <c>w=</c> parameter, in seconds.</summary>
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
