using System.Buffers;

namespace Gateway.Commands.Policy;

/// <summary>Patterns over names of repositories that match nothing, or something else than was meant.</summary>
internal static class LintPatterns
{
    private static readonly SearchValues<char> Name = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789._-/*");

    private static readonly SearchValues<char> Expression = SearchValues.Create("^$()[]{}|+?\\");

    /// <summary>What is wrong with a pattern, and what to write instead; null for nothing.</summary>
    public static (string What, string Fix)? ProblemOf(string pattern)
    {
        if (pattern.AsSpan().ContainsAny(Expression) || pattern.Contains(".*", StringComparison.Ordinal))
        {
            return ($"'{pattern}' looks like a regular expression; patterns are globs, in which only * has a meaning",
                "write * for any characters within a segment, ** for any number of segments, and several patterns in place of (a|b)");
        }
        if (CanBeName(pattern)) return null;
        return ($"'{pattern}' matches no repository: names are lower case, without port and without a slash at an end",
            "write the name as clients see it here");
    }

    private static bool CanBeName(string pattern) =>
        !pattern.AsSpan().ContainsAnyExcept(Name) && pattern[0] != '/' && pattern[^1] != '/'
        && !pattern.Contains("//", StringComparison.Ordinal);
}
