namespace Gateway.Access;

/// <summary>
/// The clock of tokens: that of the bucket's store or of Redis, which all gateways share, if the clock of this machine differs from it by
/// minutes. A token is valid for five minutes, so a gateway whose clock is ten minutes ahead would refuse all tokens of the others.
/// </summary>
/// <param name="system">The clock of this machine.</param>
/// <param name="shared">What the shared clock shows now; null if that is not known.</param>
internal sealed class SharedClock(TimeProvider system, Func<DateTimeOffset?> shared) : TimeProvider
{
    /// <summary>A smaller difference is ignored. Chosen: the answer of a busy store can be late by seconds.</summary>
    private static readonly TimeSpan Least = TimeSpan.FromMinutes(1);

    /// <summary>
    /// A greater difference is ignored, so that a wrong clock of the store makes no token valid for hours. S3 refuses requests whose date
    /// differs by as much.
    /// </summary>
    private static readonly TimeSpan Most = TimeSpan.FromMinutes(15);

    /// <inheritdoc/>
    public override long TimestampFrequency => system.TimestampFrequency;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => system.LocalTimeZone;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        var now = system.GetUtcNow();
        return shared() is { } other && (other - now).Duration() is var difference && difference > Least && difference <= Most
            ? other
            : now;
    }

    /// <inheritdoc/>
    public override long GetTimestamp() => system.GetTimestamp();

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        system.CreateTimer(callback, state, dueTime, period);
}
