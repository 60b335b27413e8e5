using System.Globalization;

namespace Gateway.Oci;

/// <summary>Times in the form of RFC 3339.</summary>
public static class Moments
{
    private const DateTimeStyles Utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;

    private static readonly string[] Formats = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz"];

    /// <summary>A time in UTC with a precision of one second.</summary>
    public static string Text(DateTimeOffset moment) =>
        moment.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>The date in UTC.</summary>
    public static string Day(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>The time in UTC, truncated to 100 ns; null when the text is not a time.</summary>
    public static DateTimeOffset? Parse(string text)
    {
        var fine = text.Length == "2021-12-18T20:59:59.999999999Z".Length && text[^1] == 'Z' ? text[..^3] + "Z" : text;
        return DateTimeOffset.TryParseExact(fine, Formats, CultureInfo.InvariantCulture, Utc, out var moment) ? moment : null;
    }
}
