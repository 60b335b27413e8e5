using System.Text;

namespace Gateway.Commands.Policy;

/// <summary>
/// Converts a regular expression over an identity to a glob that matches no more. cosign's expressions match anywhere in the text unless
/// they are anchored; a glob matches the whole text, so an unanchored expression becomes stricter.
/// </summary>
/// <param name="Glob">The pattern: <c>*</c> for anything but a slash, <c>**</c> for anything.</param>
/// <param name="IsExact">Whether it is a plain text without wildcards.</param>
/// <param name="IsNarrower">Whether it matches less than the expression.</param>
internal sealed record SubjectGlob(string Glob, bool IsExact, bool IsNarrower)
{
    /// <summary>Null if only a regular expression can express it.</summary>
    public static SubjectGlob? Of(string regex)
    {
        var (isNarrower, isExact, glob) = (false, true, new StringBuilder());
        var rest = regex.AsSpan();
        if (rest.StartsWith("^")) rest = rest[1..];
        else isNarrower = true;
        if (rest.EndsWith("$") && !rest.EndsWith("\\$")) rest = rest[..^1];
        else isNarrower = true;
        while (!rest.IsEmpty)
        {
            if (Element(rest, glob.ToString()) is not { } element) return null;
            isNarrower |= element.IsNarrower;
            isExact &= !element.IsPattern;
            glob.Append(element.Glob);
            rest = rest[element.Length..];
        }
        return glob.Length == 0 ? null : new(glob.ToString(), isExact, isNarrower);
    }

    // One element of the expression: its length in characters, and its replacement; null if no glob can express it.
    private static (int Length, string Glob, bool IsPattern, bool IsNarrower)? Element(ReadOnlySpan<char> rest, string before)
    {
        if (rest.StartsWith("[^/]*")) return IsRepeated(rest, 5) || before.EndsWith('*') ? null : (5, "*", true, false);
        if (rest.StartsWith(".*")) return IsRepeated(rest, 2) || before.EndsWith('*') ? null : Anything(rest, before);
        var isEscaped = rest[0] == '\\';
        var length = isEscaped ? 2 : 1;
        if (rest.Length < length || IsRepeated(rest, length)) return null;
        var c = rest[length - 1];
        // \d and similar are classes; a glob cannot express a literal star.
        if (isEscaped ? char.IsAsciiLetterOrDigit(c) || c == '*' : Operators.Contains(c)) return null;
        return (length, c.ToString(), false, !isEscaped && c == '.');
    }

    // `**/` after a slash also matches no segment at all, unlike `.*/`. One segment is the intended meaning, and matches less.
    private static (int Length, string Glob, bool IsPattern, bool IsNarrower) Anything(ReadOnlySpan<char> rest, string before)
    {
        var beginsSegment = before.Length == 0 || before[^1] == '/';
        var endsSegment = rest[2..].StartsWith("/") || rest[2..].StartsWith("\\/");
        return beginsSegment && endsSegment ? (2, "*", true, true) : (2, "**", true, false);
    }

    private static bool IsRepeated(ReadOnlySpan<char> rest, int at) => at < rest.Length && rest[at] is ('*' or '+' or '?' or '{');

    private const string Operators = "[](){}|^$?+*\\";
}
