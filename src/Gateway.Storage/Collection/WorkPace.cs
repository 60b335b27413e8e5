namespace Gateway.Storage;

/// <summary>
/// Limits background work: after each piece it rests as long as it worked, so that it takes at most half of one thread and half of the
/// disk's time, however slow the disk is.
/// </summary>
internal sealed class WorkPace(TimeProvider clock)
{
    /// <summary>The length of a piece. Chosen: timers are exact to some milliseconds, and a request hardly notices less.</summary>
    private static readonly TimeSpan Piece = TimeSpan.FromMilliseconds(5);

    /// <summary>The longest rest: a piece may have waited for a disk that does not answer.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(250);

    private long _began = clock.GetTimestamp();

    /// <summary>Rests if it is time. Throws when the work is canceled.</summary>
    public ValueTask RestAsync(CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        var worked = clock.GetElapsedTime(_began);
        return worked < Piece ? ValueTask.CompletedTask : RestAsync(worked, stop);
    }

    private async ValueTask RestAsync(TimeSpan worked, CancellationToken stop)
    {
        await Task.Delay(worked < Longest ? worked : Longest, stop);
        _began = clock.GetTimestamp();
    }
}
