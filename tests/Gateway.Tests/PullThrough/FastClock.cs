namespace Gateway.Tests.PullThrough;

/// <summary>A clock that a test can advance, and that runs faster than real time, so that waits of seconds take milliseconds.</summary>
internal sealed class FastClock(int speed = 1) : TimeProvider
{
    // Chosen: on a busy machine, a limit of 10 s at speed 40 would leave only a quarter of a second.
    private readonly int _speed = Math.Max(1, (int)(speed / Patience.Factor));

    private readonly DateTimeOffset _start = DateTimeOffset.UtcNow;
    private readonly long _from = System.GetTimestamp();
    private long _moved;

    public override DateTimeOffset GetUtcNow() =>
        _start + (System.GetElapsedTime(_from) * _speed) + TimeSpan.FromTicks(Interlocked.Read(ref _moved));

    public override long GetTimestamp() => _from + ((System.GetTimestamp() - _from) * _speed);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new Timer(System.CreateTimer(callback, state, Shorten(dueTime), Shorten(period)), this);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _moved, by.Ticks);

    private TimeSpan Shorten(TimeSpan time) => time > TimeSpan.Zero ? time / _speed : time;

    private sealed class Timer(ITimer inner, FastClock clock) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => inner.Change(clock.Shorten(dueTime), clock.Shorten(period));

        public void Dispose() => inner.Dispose();

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
