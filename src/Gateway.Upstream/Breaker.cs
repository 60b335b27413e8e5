namespace Gateway.Upstream;

/// <summary>
/// Keeps requests from an endpoint that has just failed again and again, or asked to be left alone.
/// Open for at most 10 s unless Retry-After says longer; then one request tries, and its outcome decides.
/// </summary>
internal sealed class Breaker(TimeProvider clock)
{
    // Chosen: one failure may be chance; each one more costs a client a timeout.
    private const int FailuresToOpen = 3;

    // Bodies break for reasons of a network too: only so many within a minute count as the endpoint's fault.
    private static readonly TimeSpan BrokenBodyWindow = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private DateTimeOffset _openUntil;
    private DateTimeOffset _lastBrokenBody;
    private int _failures;
    private int _brokenBodies;
    private bool _open;
    private bool _trying;

    /// <summary>Whether nothing at all is sent just now.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_lock) return _openUntil > clock.GetUtcNow();
        }
    }

    /// <summary>Whether a request may go out. Each true is followed by one of the calls below.</summary>
    /// <param name="wait">When not: how long until it is worth another look.</param>
    public bool TryEnter(out TimeSpan wait)
    {
        lock (_lock)
        {
            wait = _openUntil - clock.GetUtcNow();
            if (wait > TimeSpan.Zero) return false;
            if (!_open) return true;
            wait = FirstPause;
            if (_trying) return false;
            return _trying = true;
        }
    }

    /// <summary>It answered like a registry.</summary>
    public void Succeeded()
    {
        lock (_lock)
        {
            // One that was sent before it opened is no news.
            if (!_open || _trying) Close();
        }
    }

    /// <summary>It did not. Returns for how long it is now left alone; zero when it is not.</summary>
    public TimeSpan Failed(TimeSpan? retryAfter)
    {
        lock (_lock)
        {
            _trying = false;
            _failures++;
            if (retryAfter is null && _failures < FailuresToOpen) return TimeSpan.Zero;
            return Open(retryAfter ?? TimeSpan.Zero);
        }
    }

    /// <summary>The caller left before it could answer.</summary>
    public void Abandoned()
    {
        lock (_lock) _trying = false;
    }

    /// <summary>A body that had begun well broke off or was wrong. Returns as <see cref="Failed"/>.</summary>
    public TimeSpan BodyBroke()
    {
        lock (_lock)
        {
            var now = clock.GetUtcNow();
            _brokenBodies = now - _lastBrokenBody < BrokenBodyWindow ? _brokenBodies + 1 : 1;
            _lastBrokenBody = now;
            if (_brokenBodies < FailuresToOpen) return TimeSpan.Zero;
            _brokenBodies = 0;
            _failures = Math.Max(_failures, FailuresToOpen);
            return Open(TimeSpan.Zero);
        }
    }

    private void Close() => (_failures, _open, _openUntil, _trying) = (0, false, default, false);

    private TimeSpan Open(TimeSpan atLeast)
    {
        var doubled = FirstPause * Math.Pow(2, Math.Clamp(_failures - FailuresToOpen, 0, 4));
        // Half of it is chance, so that many gateways do not come back at the same moment.
        var pause = (doubled < LongestPause ? doubled : LongestPause) * (0.5 + (Random.Shared.NextDouble() / 2));
        if (pause < atLeast) pause = atLeast;
        _open = true;
        _openUntil = clock.GetUtcNow() + pause;
        return pause;
    }
}
