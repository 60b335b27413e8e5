namespace Gateway.Storage.Tests;

/// <summary>A clock that stands still until the test moves it; then its timers fire.</summary>
internal sealed class IndexClock : TimeProvider
{
    private readonly List<(TimerCallback Callback, object? State)> _timers = [];
    private long _ticks = DateTimeOffset.UnixEpoch.AddYears(50).Ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    public override DateTimeOffset GetUtcNow() => new(GetTimestamp(), TimeSpan.Zero);

    /// <summary>Moves the clock and fires every timer that repeats.</summary>
    public void Advance(TimeSpan time)
    {
        Interlocked.Add(ref _ticks, time.Ticks);
        lock (_timers)
        {
            foreach (var (callback, state) in _timers) callback(state);
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        lock (_timers)
        {
            if (period != Timeout.InfiniteTimeSpan) _timers.Add((callback, state));
        }
        return new Unused();
    }

    private sealed class Unused : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
