using System.Globalization;

namespace Gateway.Configuration;

/// <summary>Parses durations: <c>90s</c>, <c>1h30m</c>, <c>7d</c>.</summary>
internal static class Durations
{
    /// <summary>Maximum duration: ten years, well below the limits of timers and dates.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(3650);

    private static readonly (string Unit, TimeSpan Length)[] Units =
    [
        ("ms", TimeSpan.FromMilliseconds(1)), ("s", TimeSpan.FromSeconds(1)), ("m", TimeSpan.FromMinutes(1)),
        ("h", TimeSpan.FromHours(1)), ("d", TimeSpan.FromDays(1)), ("w", TimeSpan.FromDays(7)),
    ];

    /// <summary>
    /// Parses whole numbers with units <c>ms s m h d w</c>, combined from the longest to the shortest; more than zero, at most ten
    /// years.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        duration = default;
        var previous = TimeSpan.MaxValue;
        while (!text.IsEmpty)
        {
            var digits = Count(text, char.IsAsciiDigit);
            var letters = Count(text[digits..], char.IsAsciiLetterLower);
            var unit = Find(text.Slice(digits, letters));
            if (!int.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return false;
            if (unit == default || unit >= previous || number > Longest / unit) return false;
            duration += number * unit;
            previous = unit;
            text = text[(digits + letters)..];
        }
        return duration > TimeSpan.Zero && duration <= Longest;
    }

    private static TimeSpan Find(ReadOnlySpan<char> name)
    {
        foreach (var (unit, length) in Units)
        {
            if (name.SequenceEqual(unit)) return length;
        }
        return default;
    }

    private static int Count(ReadOnlySpan<char> text, Func<char, bool> belongs)
    {
        var count = 0;
        while (count < text.Length && belongs(text[count])) count++;
        return count;
    }
}
