namespace Gateway.Upstream;

/// <summary>
/// How often a body that broke off is taken up again, and how long is waited before: doubling, with jitter, so that many do not come back
/// at once.
/// </summary>
public sealed class Backoff(TimeProvider clock)
{
    /// <summary>Tries in a row that brought less than <see cref="LeastGain"/>.</summary>
    public const int MaxFruitless = 5;

    /// <summary>Tries in all: a connection that is cut at each sixteenth of a blob takes 16.</summary>
    public const int MaxTries = 64;

    /// <summary>Bytes. Chosen: less is no progress worth another round of tries.</summary>
    public const int LeastGain = 10 * 1024;

    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(3);

    // Readers hold their connections meanwhile; a breaker stays open for no longer by itself.
    private static readonly TimeSpan LongestAsked = TimeSpan.FromSeconds(10);

    private int _fruitless;
    private int _tries;

    /// <summary>Counts a try that failed after so many bytes; false when it was the last.</summary>
    public bool MayRetry(long gained)
    {
        _fruitless = gained >= LeastGain ? 0 : _fruitless + 1;
        return ++_tries < MaxTries && _fruitless < MaxFruitless;
    }

    /// <param name="atLeast">What the upstream asked for, where it did; no more than <see cref="LongestAsked"/> of it is waited.</param>
    public Task WaitAsync(TimeSpan? atLeast, CancellationToken cancellationToken)
    {
        var delay = First * Math.Pow(2, _fruitless) * (0.5 + Random.Shared.NextDouble());
        if (delay > Longest) delay = Longest;
        if (atLeast > delay) delay = atLeast < LongestAsked ? atLeast.Value : LongestAsked;
        return Task.Delay(delay, clock, cancellationToken);
    }
}
