using System.Globalization;

namespace Gateway.Registry;

/// <summary>
/// The place of a chunk in a blob, in the form <c>Content-Range: first-last</c> (distribution-spec, "Pushing a blob in chunks":
/// <c>^[0-9]+-[0-9]+$</c>).
/// </summary>
internal readonly record struct ContentRange(long First, long Last)
{
    public long Count => Last - First + 1;

    public static bool TryParse(ReadOnlySpan<char> text, out ContentRange range)
    {
        range = default;
        var dash = text.IndexOf('-');
        if (dash < 0 || !TryRead(text[..dash], out var first) || !TryRead(text[(dash + 1)..], out var last) || last < first) return false;
        range = new(first, last);
        return true;
    }

    private static bool TryRead(ReadOnlySpan<char> text, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
