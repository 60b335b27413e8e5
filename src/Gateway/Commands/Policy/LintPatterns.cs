using System.Buffers;

namespace Gateway.Commands.Policy;

/// <summary>Repository patterns that match nothing, or not what their author intended.</summary>
internal static class LintPatterns
{
    private static readonly SearchValues<char> Name = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789._-/*");

    private static readonly SearchValues<char> Expression = SearchValues.Create("^$()[]{}|+?\\");

    /// <summary>The problem of a pattern and its remedy; null for none.</summary>
    public static (string What, string Fix)? ProblemOf(string pattern)
    {
        if (pattern.AsSpan().ContainsAny(Expression) || pattern.Contains(".*", StringComparison.Ordinal))
        {
            return ($"'{pattern}' looks like a regular expression; patterns are globs, with * as the only wildcard",
                "write * for any characters within a segment, ** for any number of segments, and several patterns instead of (a|b)");
        }
        if (CanBeName(pattern)) return null;
        return ($"'{pattern}' matches no repository: names are lower case, without port and without a slash at either end",
            "write the canonical name of the repository");
    }

    private static bool CanBeName(string pattern) =>
        !pattern.AsSpan().ContainsAnyExcept(Name) && pattern[0] != '/' && pattern[^1] != '/'
        && !pattern.Contains("//", StringComparison.Ordinal);
}
