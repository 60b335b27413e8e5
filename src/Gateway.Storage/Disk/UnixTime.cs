using System.Globalization;

namespace Gateway.Storage;

/// <summary>Moments in the form of the small files: Unix milliseconds in decimal.</summary>
internal static class UnixTime
{
    private static readonly long First = DateTimeOffset.MinValue.ToUnixTimeMilliseconds();
    private static readonly long Last = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    public static string Format(DateTimeOffset moment) => moment.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture);

    /// <summary>
    /// Reads a moment; false for text that is not a number, or is outside the calendar: a damaged file may contain anything.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out DateTimeOffset moment)
    {
        moment = default;
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds)) return false;
        if (milliseconds < First || milliseconds > Last) return false;
        moment = DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
        return true;
    }
}
