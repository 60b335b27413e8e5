using System.Globalization;

namespace Gateway.WebConsole;

/// <summary>Numbers and times as the pages write them.</summary>
internal static class Text
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>Bytes with a binary unit, such as <c>1.4 MiB</c>.</summary>
    public static string Bytes(long bytes)
    {
        var (value, unit) = ((double)bytes, 0);
        while (value >= 1024 && unit < Units.Length - 1) (value, unit) = (value / 1024, unit + 1);
        var format = unit == 0 || value >= 100 ? "0" : value >= 10 ? "0.#" : "0.##";
        return $"{value.ToString(format, CultureInfo.InvariantCulture)} {Units[unit]}";
    }

    /// <summary>A whole number with separators.</summary>
    public static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A share, such as <c>93.4 %</c>; a dash when there is none.</summary>
    public static string Share(double? share) =>
        share is { } value ? (value * 100).ToString("0.#", CultureInfo.InvariantCulture) + " %" : "–";

    /// <summary>Milliseconds with two or three digits, such as <c>0.35 ms</c> or <c>1.4 s</c>.</summary>
    public static string Milliseconds(double milliseconds) => milliseconds >= 1000
        ? (milliseconds / 1000).ToString("0.##", CultureInfo.InvariantCulture) + " s"
        : milliseconds.ToString(milliseconds >= 10 ? "0" : "0.##", CultureInfo.InvariantCulture) + " ms";

    /// <summary>The moment in UTC, to the minute.</summary>
    public static string Moment(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture) + " UTC";

    /// <summary>The moment as HTML's <c>datetime</c>.</summary>
    public static string Machine(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    /// <summary>The distance of two moments in its largest unit, such as <c>3 days ago</c> or <c>in 2 hours</c>.</summary>
    public static string Distance(DateTimeOffset at, DateTimeOffset now)
    {
        var span = at > now ? at - now : now - at;
        var (count, unit) = span switch
        {
            { TotalDays: >= 730 } => (span.TotalDays / 365, "year"),
            { TotalDays: >= 60 } => (span.TotalDays / 30, "month"),
            { TotalDays: >= 2 } => (span.TotalDays, "day"),
            { TotalHours: >= 2 } => (span.TotalHours, "hour"),
            { TotalMinutes: >= 2 } => (span.TotalMinutes, "minute"),
            { TotalSeconds: >= 10 } => (span.TotalSeconds, "second"),
            _ => (0d, ""),
        };
        if (unit.Length == 0) return "now";
        var whole = (int)count;
        var text = whole == 1 ? $"1 {unit}" : $"{whole} {unit}s";
        return at > now ? $"in {text}" : $"{text} ago";
    }

    /// <summary>The first characters of a digest, for lists; the whole digest is beside it for copying.</summary>
    public static string Short(string digest)
    {
        var colon = digest.IndexOf(':', StringComparison.Ordinal);
        return digest.Length > colon + 13 ? digest[..(colon + 13)] : digest;
    }
}
