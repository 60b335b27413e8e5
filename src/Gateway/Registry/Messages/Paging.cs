using System.Globalization;
using System.Text;

namespace Gateway.Registry;

/// <summary>Pages of lists: how many entries one holds, and the link to the next (distribution-spec, "Listing Tags"; RFC 8288).</summary>
internal static class Paging
{
    /// <summary>Most entries of one page; a larger <c>n</c> is cut to it (CVE-2023-2253: an unbounded <c>n</c> was allocated).</summary>
    public const int MaxCount = 1000;

    /// <summary>Reads <c>n</c>: digits only, of any number.</summary>
    public static bool TryReadCount(ReadOnlySpan<char> text, out int count)
    {
        count = MaxCount;
        if (text.IsEmpty || text.ContainsAnyExceptInRange('0', '9')) return false;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var wanted)) count = Math.Min(wanted, MaxCount);
        return true;
    }

    /// <summary>The value of a <c>Link</c> header: the same list, relative, after this entry.</summary>
    public static string NextLink(Target target, string last)
    {
        var link = new StringBuilder("<").Append(target.Path).Append('?');
        if (target.Route != Route.Referrers) link.Append(CultureInfo.InvariantCulture, $"n={target.Query.Count ?? MaxCount}&");
        link.Append("last=").Append(Uri.EscapeDataString(last));
        if (target.Query.ArtifactType is { } type) link.Append("&artifactType=").Append(Uri.EscapeDataString(type));
        if (target.Query.Namespace is { } ns) link.Append("&ns=").Append(Uri.EscapeDataString(ns));
        return link.Append(">; rel=\"next\"").ToString();
    }
}
