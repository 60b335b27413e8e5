using System.Globalization;
using Amazon.Runtime;

namespace Gateway.Storage;

/// <summary>The clock of the store, which its answers show.</summary>
internal sealed partial class S3Bucket
{
    /// <summary>How long an answer tells the time. Chosen: clocks drift apart by milliseconds in an hour.</summary>
    private static readonly TimeSpan TimeLasts = TimeSpan.FromHours(1);

    /// <summary>
    /// How far the time of an answer may be behind the known one. Chosen: above the seconds that headers and clocks differ by, and far
    /// below the lifetime of a token.
    /// </summary>
    private static readonly TimeSpan MostBehind = TimeSpan.FromSeconds(5);

    private volatile Moment? _moment;

    /// <inheritdoc/>
    public DateTimeOffset? Time =>
        _moment is { } moment && _clock.GetElapsedTime(moment.At) is var since && since < TimeLasts ? moment.Date + since : null;

    private void NoteTime(object sender, ResponseEventArgs answer)
    {
        if (answer is not WebServiceResponseEventArgs { ResponseHeaders: { } headers } || !headers.TryGetValue("Date", out var text)
            || !DateTimeOffset.TryParseExact(text, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date))
            return;
        // The header has whole seconds; half a second is the mean of what it cuts off.
        date += TimeSpan.FromSeconds(0.5);
        // A store that completes an upload or copies a part sends the headers first, and the end of its answer up to minutes later. A clock
        // of the store that was put back counts when the known moment ends.
        if (Time is { } known && known - date > MostBehind) return;
        _moment = new(date, _clock.GetTimestamp());
    }

    private sealed record Moment(DateTimeOffset Date, long At);
}
