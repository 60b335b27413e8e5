using System.Globalization;

namespace Gateway.Configuration;

/// <summary>
/// Parses sizes: <c>20GiB</c> (powers of 1024), <c>512MB</c> (powers of 1000), plain bytes, <c>20Gi</c> as in Kubernetes.
/// </summary>
internal static class Sizes
{
    private static readonly (string Unit, decimal Bytes)[] Units =
    [
        ("", 1), ("B", 1),
        ("kB", 1e3m), ("KB", 1e3m), ("MB", 1e6m), ("GB", 1e9m), ("TB", 1e12m), ("PB", 1e15m),
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40), ("PiB", 1L << 50),
        ("Ki", 1L << 10), ("Mi", 1L << 20), ("Gi", 1L << 30), ("Ti", 1L << 40), ("Pi", 1L << 50),
    ];

    /// <summary>Parses a number, with or without a fraction, and a unit; at most the maximum length of a file.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out long bytes)
    {
        bytes = 0;
        var end = text.LastIndexOfAnyInRange('0', '9') + 1;
        if (!decimal.TryParse(text[..end], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        var name = text[end..].TrimStart(' ');
        foreach (var (unit, size) in Units)
        {
            if (!name.SequenceEqual(unit)) continue;
            if (number > long.MaxValue / size) return false;
            bytes = (long)(number * size);
            return true;
        }
        return false;
    }
}
