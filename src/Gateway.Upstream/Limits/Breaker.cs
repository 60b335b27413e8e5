namespace Gateway.Upstream;

/// <summary>
/// Stops requests to an endpoint that failed several times in a row, or sent Retry-After. It is open for at most 10 s, or as long as
/// Retry-After says. Then it lets one request through; the outcome of that request closes it or opens it again.
/// </summary>
internal sealed class Breaker(TimeProvider clock)
{
    // Chosen: a single failure can be accidental; each further one costs a client a timeout.
    private const int FailuresToOpen = 3;

    // Networks interrupt bodies too, so only FailuresToOpen of them within a minute count against the endpoint.
    private static readonly TimeSpan BrokenBodyWindow = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private DateTimeOffset _openUntil;
    private DateTimeOffset _doubtedUntil;
    private DateTimeOffset _lastBrokenBody;
    private int _failures;
    private int _brokenBodies;
    private bool _open;
    private bool _trying;

    /// <summary>Whether the breaker stops every request now.</summary>
    public bool IsOpen
    {
        get
        {
            lock (_lock) return _openUntil > clock.GetUtcNow();
        }
    }

    /// <summary>The time for which the breaker stops requests; zero if it does not.</summary>
    public TimeSpan OpenFor
    {
        get
        {
            lock (_lock) return _openUntil - clock.GetUtcNow() is { } rest && rest > TimeSpan.Zero ? rest : TimeSpan.Zero;
        }
    }

    /// <summary>
    /// Records that the breaker of another gateway is open for the same endpoint. It may be that gateway's own network that fails, so
    /// requests go on; but the first failure opens this breaker.
    /// </summary>
    public void Doubt(TimeSpan time)
    {
        lock (_lock)
        {
            var until = clock.GetUtcNow() + (time < LongestPause ? time : LongestPause);
            if (until > _doubtedUntil) _doubtedUntil = until;
        }
    }

    /// <summary>
    /// Whether a request may be sent. After true, the caller must call <see cref="Succeeded"/>, <see cref="Failed"/> or
    /// <see cref="Abandoned"/>.
    /// </summary>
    /// <param name="wait">If false: the time until the caller should try again.</param>
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

    /// <summary>Records that the endpoint answered as a registry does.</summary>
    public void Succeeded()
    {
        lock (_lock)
        {
            // The answer to a request that was sent before the breaker opened does not close it.
            if (!_open || _trying) Close();
        }
    }

    /// <summary>Records a failure. Returns how long the breaker is open now; zero if it is closed.</summary>
    /// <param name="retryAfter">The endpoint's Retry-After, which opens the breaker at once; null if there was none.</param>
    public TimeSpan Failed(TimeSpan? retryAfter)
    {
        lock (_lock)
        {
            _trying = false;
            _failures++;
            if (retryAfter is null && _failures < FailuresToOpen && _doubtedUntil <= clock.GetUtcNow()) return TimeSpan.Zero;
            return Open(retryAfter ?? TimeSpan.Zero);
        }
    }

    /// <summary>Records that the request ended before the endpoint answered. This counts neither as a success nor as a failure.</summary>
    public void Abandoned()
    {
        lock (_lock) _trying = false;
    }

    /// <summary>
    /// Records that a body was interrupted or had the wrong digest after a good status. Returns how long the breaker is open now; zero if
    /// it is closed.
    /// </summary>
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
        // Jitter of up to half the pause, so that many gateways do not retry at the same moment.
        var pause = (doubled < LongestPause ? doubled : LongestPause) * (0.5 + (Random.Shared.NextDouble() / 2));
        if (pause < atLeast) pause = atLeast;
        _open = true;
        _openUntil = clock.GetUtcNow() + pause;
        return pause;
    }
}
