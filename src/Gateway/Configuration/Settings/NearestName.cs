namespace Gateway.Configuration;

/// <summary>Finds the probable meaning of a misspelled name.</summary>
internal static class NearestName
{
    /// <summary>
    /// The candidate with the fewest edits (insert, remove, replace, swap of neighbors, ignoring case); null if none is within a
    /// third of the name's length.
    /// </summary>
    public static string? Of(string written, IEnumerable<string> candidates)
    {
        if (written.Length > 64) return null;
        var allowed = Math.Max(1, written.Length / 3);
        return candidates
            .Select(name => (name, distance: Distance(written.ToLowerInvariant(), name.ToLowerInvariant())))
            .Where(pair => pair.distance <= allowed)
            .OrderBy(pair => pair.distance)
            .Select(pair => pair.name)
            .FirstOrDefault();
    }

    /// <summary>"; did you mean …?" to append to a mistake, or nothing.</summary>
    public static string Hint(string written, IEnumerable<string> candidates) =>
        Of(written, candidates) is { } name ? $"; did you mean {name}?" : "";

    /// <summary>Optimal string alignment distance.</summary>
    private static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) rows[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) rows[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var replace = rows[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                rows[i, j] = Math.Min(replace, Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
            }
        }
        return rows[a.Length, b.Length];
    }
}
