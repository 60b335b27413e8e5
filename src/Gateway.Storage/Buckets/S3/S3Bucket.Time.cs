using System.Globalization;
using Amazon.Runtime;

namespace Gateway.Storage;

/// <summary>The clock of the store, which its answers show.</summary>
internal sealed partial class S3Bucket
{
    /// <summary>How long an answer tells the time. Chosen: clocks drift apart by milliseconds in an hour.</summary>
    private static readonly TimeSpan TimeLasts = TimeSpan.FromHours(1);

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
        _moment = new(date + TimeSpan.FromSeconds(0.5), _clock.GetTimestamp());
    }

    private sealed record Moment(DateTimeOffset Date, long At);
}
