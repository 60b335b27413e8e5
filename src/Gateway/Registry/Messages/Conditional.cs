using Microsoft.Extensions.Primitives;

namespace Gateway.Registry;

/// <summary>
/// Conditional requests by digest: an entity tag here is always the quoted digest (RFC 9110 §8.8.3), strong because content never changes
/// under it.
/// </summary>
internal static class Conditional
{
    // Chosen: as many manifests and blobs as RecentTargets holds. About 400 bytes each.
    private static readonly RecentValues<string, string> Tags = new(2048);

    /// <summary>The entity tag of content with this digest.</summary>
    public static string ETagOf(Digest digest)
    {
        var text = digest.ToString();
        if (Tags.Find(text) is { } known) return known;
        var tag = $"\"{text}\"";
        Tags.Set(text, tag);
        return tag;
    }

    /// <summary>
    /// Whether <c>If-None-Match</c> names this digest. The comparison is weak (RFC 9110 §13.1.2), and accepts a digest without quotes, as
    /// older Docker clients send it.
    /// </summary>
    public static bool IsKnown(StringValues ifNoneMatch, Digest digest)
    {
        foreach (var value in ifNoneMatch)
        {
            if (value is not null && Names(value, digest.ToString())) return true;
        }
        return false;
    }

    private static bool Names(ReadOnlySpan<char> list, ReadOnlySpan<char> digest)
    {
        foreach (var range in list.Split(','))
        {
            var tag = list[range].Trim();
            if (tag is "*") return true;
            if (tag.StartsWith("W/", StringComparison.Ordinal)) tag = tag[2..];
            if (tag.Trim('"').SequenceEqual(digest)) return true;
        }
        return false;
    }

    /// <summary>
    /// Whether <c>Range</c> applies: <c>If-Range</c> is absent, or names this digest strongly; a date never does (RFC 9110
    /// §13.1.5).
    /// </summary>
    public static bool RangeHolds(StringValues ifRange, Digest digest) =>
        ifRange.Count == 0 || (ifRange.Count == 1 && ifRange[0] == ETagOf(digest));
}
