using System.Globalization;

namespace Gateway.Registry;

/// <summary>
/// One wanted range as it was sent (RFC 9110 §14.1.2): from <paramref name="First"/> to <paramref name="Last"/> or to the end; with a
/// negative first, that many bytes at the end.
/// </summary>
internal readonly record struct RangeSpec(long First, long? Last);

/// <summary>A range of some content of known length: never empty, never beyond its end.</summary>
internal readonly record struct ByteRange(long Offset, long Count)
{
    public long Last => Offset + Count - 1;
}

/// <summary>Reads <c>Range</c>, and places what it asks for on a content's length.</summary>
internal static class ByteRanges
{
    /// <summary>
    /// Most ranges of one request; more are answered with the whole. Clients of partial pulls merge what they lack down to 1024 ranges
    /// (containers/storage, pkg/chunked: maxNumberMissingChunks).
    /// </summary>
    public const int MaxRanges = 1024;

    /// <summary>
    /// Reads the header; empty when there is none, or none that applies: another unit, malformed, too many (RFC 9110 §14.2 lets a server
    /// ignore those).
    /// </summary>
    public static IReadOnlyList<RangeSpec> Parse(string? header)
    {
        if (header is null || !header.StartsWith("bytes=", StringComparison.OrdinalIgnoreCase)) return [];
        var text = header.AsSpan("bytes=".Length);
        var specs = new List<RangeSpec>();
        foreach (var range in text.Split(','))
        {
            var part = text[range].Trim(" \t");
            // RFC 9110 §5.6.1.2: empty list elements are skipped.
            if (part.IsEmpty) continue;
            if (specs.Count == MaxRanges || !TryParse(part, out var spec)) return [];
            specs.Add(spec);
        }
        return specs;
    }

    private static bool TryParse(ReadOnlySpan<char> text, out RangeSpec spec)
    {
        spec = default;
        var dash = text.IndexOf('-');
        if (dash < 0 || !TryReadEnd(text[..dash], out var first) || !TryReadEnd(text[(dash + 1)..], out var last)) return false;
        if (first is null && last is null) return false;
        // A suffix of no bytes can never be satisfied: it begins after the end.
        spec = first is { } from ? new(from, last) : last == 0 ? new(long.MaxValue, null) : new(-last!.Value, null);
        return true;
    }

    // Null when nothing stands there. Digits only; a number beyond 2^63-1 means "to the end", as any beyond the length does.
    private static bool TryReadEnd(ReadOnlySpan<char> text, out long? value)
    {
        value = null;
        if (text.IsEmpty) return true;
        if (text.ContainsAnyExceptInRange('0', '9')) return false;
        value = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : long.MaxValue;
        return true;
    }

    /// <summary>
    /// The ranges that exist, in the order asked for and not merged: clients match parts to what they asked. Empty: none can be satisfied
    /// (416).
    /// Null: together they are more than the content, so that the whole is the better answer (RFC 9110 §17.15).
    /// </summary>
    public static IReadOnlyList<ByteRange>? Place(IReadOnlyList<RangeSpec> specs, long length)
    {
        var ranges = new List<ByteRange>(specs.Count);
        long sum = 0;
        foreach (var spec in specs)
        {
            var offset = spec.First < 0 ? Math.Max(0, length + spec.First) : spec.First;
            var last = Math.Min(spec.Last ?? long.MaxValue, length - 1);
            if (offset > last) continue;
            ranges.Add(new(offset, last - offset + 1));
            sum += last - offset + 1;
            if (ranges.Count > 1 && sum > length) return null;
        }
        return ranges;
    }
}
