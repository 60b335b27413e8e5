namespace Gateway.Storage;

/// <summary>
/// The clock for decisions: the system's clock, but never earlier than the latest moment that this volume has seen. A clock that is set
/// back would make a new signature of a retired key older than its retirement, and would revive expired exceptions. Timers and timestamps
/// are the system's.
/// </summary>
public sealed class SteadyClock : TimeProvider, IAsyncDisposable
{
    // Chosen: the most time that a kill can lose. A write of 20 bytes each minute is negligible beside the journal.
    private static readonly TimeSpan NoteEvery = TimeSpan.FromMinutes(1);

    // Clocks are corrected by some milliseconds all the time. This is also the step in which the latest moment is stored.
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _system;
    private readonly Folders _folders;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _noting = new();
    private long _latest;
    private bool _isBehind;

    internal SteadyClock(TimeProvider system, Folders folders, ILogger logger)
    {
        (_system, _folders, _logger) = (system, folders, logger);
        _latest = folders.LatestMoment.UtcTicks;
        Note();
        _timer = system.CreateTimer(_ => Note(), null, NoteEvery, NoteEvery);
    }

    /// <inheritdoc/>
    public override long TimestampFrequency => _system.TimestampFrequency;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => _system.LocalTimeZone;

    /// <summary>How far the system's clock is behind the latest moment seen; zero when it is not.</summary>
    public TimeSpan Behind
    {
        get
        {
            var behind = new TimeSpan(Volatile.Read(ref _latest) - _system.GetUtcNow().UtcTicks);
            return behind > Slack ? behind : TimeSpan.Zero;
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        var now = _system.GetUtcNow();
        var latest = Volatile.Read(ref _latest);
        if (now.UtcTicks < latest) return new(latest, TimeSpan.Zero);
        // Stored once per second, so that not every reader writes; of two concurrent writes, the later moment counts.
        while (now.UtcTicks > latest + Slack.Ticks)
        {
            var seen = Interlocked.CompareExchange(ref _latest, now.UtcTicks, latest);
            if (seen == latest) break;
            latest = seen;
        }
        return now;
    }

    /// <inheritdoc/>
    public override long GetTimestamp() => _system.GetTimestamp();

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        _system.CreateTimer(callback, state, dueTime, period);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        Note();
    }

    private void Note()
    {
        lock (_noting)
        {
            var latest = GetUtcNow();
            var behind = Behind;
            if (behind > TimeSpan.Zero && !_isBehind) Log.ClockIsBehind(_logger, behind, latest, _folders.LatestMomentFile);
            _isBehind = behind > TimeSpan.Zero;
            if (_folders.Durability.Ended is not null) return;
            try
            {
                _folders.LatestMoment = latest;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Log.MomentNotNoted(_logger, e);
            }
        }
    }
}
