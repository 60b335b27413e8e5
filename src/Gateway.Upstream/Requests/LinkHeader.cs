namespace Gateway.Upstream;

/// <summary>Reads <c>Link</c> headers (RFC 8288 §3), which are lists of targets with parameters.</summary>
internal static class LinkHeader
{
    /// <summary>
    /// The target of the first link whose <c>rel</c> has the relation type <c>next</c>, as written; null if there is none. A syntax error
    /// ends the header.
    /// </summary>
    /// <param name="header">All Link headers of a response, joined by commas (RFC 9110 §5.3).</param>
    public static string? Next(string header)
    {
        var rest = header.AsSpan();
        while (true)
        {
            rest = rest.TrimStart(" \t,");
            if (rest.IsEmpty || rest[0] != '<') return null;
            var end = rest.IndexOf('>');
            if (end < 0) return null;
            var target = rest[1..end];
            rest = rest[(end + 1)..];
            if (ReadRelations(ref rest) is { } relations && relations.Split(' ').Contains("next", StringComparer.OrdinalIgnoreCase))
                return target.ToString();
        }
    }

    /// <summary>Reads one link's parameters. Returns the first <c>rel</c>; further ones are ignored (RFC 8288 §3.3).</summary>
    private static string? ReadRelations(ref ReadOnlySpan<char> rest)
    {
        string? relations = null;
        while (true)
        {
            rest = rest.TrimStart(" \t");
            if (rest.IsEmpty || rest[0] != ';') return relations;
            rest = rest[1..].TrimStart(" \t");
            var name = Take(ref rest, "=;, \t");
            rest = rest.TrimStart(" \t");
            var value = "";
            if (!rest.IsEmpty && rest[0] == '=')
            {
                rest = rest[1..].TrimStart(" \t");
                if (!rest.IsEmpty && rest[0] == '"')
                {
                    rest = rest[1..];
                    value = QuotedString.Take(ref rest);
                }
                else value = Take(ref rest, ";, \t");
            }
            if (name.Equals("rel", StringComparison.OrdinalIgnoreCase)) relations ??= value;
        }
    }

    private static string Take(ref ReadOnlySpan<char> rest, string ends)
    {
        var length = rest.IndexOfAny(ends);
        var taken = rest[..(length < 0 ? rest.Length : length)].ToString();
        rest = rest[taken.Length..];
        return taken;
    }
}
