namespace Gateway.Upstream;

/// <summary>
/// Limits the retries of one interrupted transfer, and the delays before them. Delays double from 50 ms to 3 s, with jitter, so that many
/// transfers do not retry at the same moment.
/// </summary>
public sealed class Backoff(TimeProvider clock)
{
    /// <summary>The most attempts in a row that each transferred less than <see cref="LeastGain"/>.</summary>
    internal const int MaxFruitless = 5;

    /// <summary>The most attempts in total. A blob whose connection breaks after each sixteenth of it needs 16.</summary>
    internal const int MaxTries = 64;

    /// <summary>The least number of bytes that count as progress. Chosen.</summary>
    internal const int LeastGain = 10 * 1024;

    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(3);

    // Readers keep their connections open during the delay. A breaker without Retry-After is open for as long at most.
    private static readonly TimeSpan LongestAsked = TimeSpan.FromSeconds(10);

    private int _fruitless;
    private int _tries;

    /// <summary>Counts a failed attempt; false if it was the last one allowed.</summary>
    /// <param name="gained">The bytes that the attempt transferred.</param>
    public bool MayRetry(long gained)
    {
        _fruitless = gained >= LeastGain ? 0 : _fruitless + 1;
        return ++_tries < MaxTries && _fruitless < MaxFruitless;
    }

    /// <summary>Waits before the next attempt.</summary>
    /// <param name="atLeast">The upstream's Retry-After; null if there was none. At most 10 s of it count.</param>
    public Task WaitAsync(TimeSpan? atLeast, CancellationToken cancellationToken)
    {
        var delay = First * Math.Pow(2, _fruitless) * (0.5 + Random.Shared.NextDouble());
        if (delay > Longest) delay = Longest;
        if (atLeast > delay) delay = atLeast < LongestAsked ? atLeast.Value : LongestAsked;
        return Task.Delay(delay, clock, cancellationToken);
    }
}
