using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary>
/// Compares the reach of patterns by trying texts. It can miss a case, but never reports a case that does not exist.
/// </summary>
internal static class GlobReach
{
    /// <summary>Texts that a pattern matches: each wildcard short, and long.</summary>
    public static IEnumerable<string> Samples(string pattern)
    {
        yield return pattern.Replace("**", "q7/z8/x9", StringComparison.Ordinal).Replace("*", "q7-z8.x9", StringComparison.Ordinal);
        yield return pattern.Replace("**", "q7", StringComparison.Ordinal).Replace("*", "z8", StringComparison.Ordinal);
    }

    /// <summary>Whether the wide patterns match everything that the narrow ones match; an empty list matches everything.</summary>
    public static bool Covers(IReadOnlyCollection<string> wide, IReadOnlyCollection<string> narrow) =>
        wide.Count == 0 || wide.Contains("**")
        || (narrow.Count > 0 && narrow.All(pattern => Samples(pattern).All(sample => Glob.IsMatch(wide, sample))));

    /// <summary>Whether a text could match both: the parts before the first wildcards must agree.</summary>
    public static bool CanMeet(IReadOnlyCollection<string> one, IReadOnlyCollection<string> other) =>
        one.Count == 0 || other.Count == 0 || one.Any(a => other.Any(b => CanMeet(a, b)));

    private static bool CanMeet(string one, string other)
    {
        if (!one.Contains('*', StringComparison.Ordinal)) return Glob.IsMatch(other, one);
        if (!other.Contains('*', StringComparison.Ordinal)) return Glob.IsMatch(one, other);
        var (a, b) = (one[..one.IndexOf('*', StringComparison.Ordinal)], other[..other.IndexOf('*', StringComparison.Ordinal)]);
        return a.StartsWith(b, StringComparison.Ordinal) || b.StartsWith(a, StringComparison.Ordinal);
    }
}
