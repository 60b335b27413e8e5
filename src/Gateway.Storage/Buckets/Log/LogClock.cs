namespace Gateway.Storage;

/// <summary>The time, the ids and the pauses of a log; a model replaces them.</summary>
internal sealed record LogClock(TimeProvider Time)
{
    /// <summary>The longest pause: long enough for a store that asks for fewer requests. Chosen.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(400);

    /// <summary>Makes the random id of a change.</summary>
    public Func<Guid> NewId { get; init; } = Guid.NewGuid;

    /// <summary>Pauses before a request is repeated: the longer, the more often it was.</summary>
    public Func<int, Task> PauseAsync { get; init; } = static tries =>
        Task.Delay(Random.Shared.NextDouble() * Longest(tries));

    /// <summary>Waits for a time.</summary>
    public Func<TimeSpan, CancellationToken, Task> WaitAsync { get; init; } = (time, stop) => Task.Delay(time, Time, stop);

    private static TimeSpan Longest(int tries) =>
        TimeSpan.FromMilliseconds(Math.Min(LongestPause.TotalMilliseconds, 10 << Math.Min(tries, 8)));
}
