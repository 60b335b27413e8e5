using System.Globalization;

namespace Gateway.Configuration;

/// <summary>
/// Explains invalid YAML to its author: which line, what is wrong, and how to write it. The parser's message only names its own step, which
/// says little about the line.
/// </summary>
internal static class YamlSyntax
{
    /// <summary>Used when the parser has no message: a bracket is open.</summary>
    public const string OpenBracket = "did not find expected ',' or ']'";

    /// <summary>One mistake at the place to change, which is not always where the parser stopped.</summary>
    /// <param name="lines">The whole text.</param>
    /// <param name="line">Where the parser stopped, from 1.</param>
    /// <param name="column">The same, from 1.</param>
    /// <param name="said">The parser's message.</param>
    public static ConfigurationMistake Explain(string[] lines, string source, int line, int column, string said)
    {
        var (atLine, atColumn, message) =
            Tab(lines) ?? OpenedAndNotClosed(lines, line, column, said) ?? OneLine(lines, line, column, said)
            ?? (line, column, $"this line cannot be read as YAML ({said.TrimEnd('.')})");
        return new(new(source, Math.Max(1, atLine), Math.Max(1, atColumn)), "", message);
    }

    private static (int, int, string)? Tab(string[] lines)
    {
        var at = Array.FindIndex(lines, static text => text.AsSpan().TrimStart(' ').StartsWith("\t") && text.AsSpan().Trim().Length > 0);
        return at < 0 ? null : (at + 1, lines[at].IndexOf('\t', StringComparison.Ordinal) + 1,
            "expected spaces, got a tab; YAML is indented with spaces: replace the tab by two spaces");
    }

    private static (int, int, string)? OpenedAndNotClosed(string[] lines, int line, int column, string said)
    {
        if (said.Contains("quoted scalar", StringComparison.Ordinal) && said.Contains("end of stream", StringComparison.Ordinal))
        {
            var quote = At(lines, line, column) is '"' ? '"' : '\'';
            return (line, column, $"the quote that opens here is not closed; add {quote} at the end of the value");
        }
        var isBracket = said.Contains("',' or", StringComparison.Ordinal) || said.Contains("node content", StringComparison.Ordinal)
            || said.Contains("flow", StringComparison.Ordinal);
        return isBracket && LastOpen(lines, line, column) is var (open, at, bracket)
            ? (open, at, $"the bracket {bracket} that opens here is not closed; add {(bracket == '[' ? ']' : '}')} at its end")
            : null;
    }

    private static (int, int, string)? OneLine(string[] lines, int line, int column, string said)
    {
        if (said.Contains("unknown escape", StringComparison.Ordinal))
            return (line, column, "a backslash in double quotes begins an escape; write \\\\ for a backslash, or use single quotes");
        if (said.Contains("cannot start any token", StringComparison.Ordinal))
            return (line, column, $"a value cannot begin with {At(lines, line, column)}; put the value in quotes");
        var (indent, before) = (Indent(Line(lines, line)), IndentsBefore(lines, line));
        if (before.Count > 0 && indent > before[0] && HasValue(lines, line))
        {
            return (line, indent + 1, string.Create(
                CultureInfo.InvariantCulture,
                $"this line is indented by {indent} spaces, the one above it by {before[0]} and has a value already; give both the same"));
        }
        if (said.Contains("invalid mapping", StringComparison.Ordinal) || said.Contains("mapping values", StringComparison.Ordinal))
        {
            const string Second = "expected one key and its value, got a second ': ' in the line";
            return (line, column, $"{Second}; put the inner key on a line below, or quote the value");
        }
        return before.Count > 0 && !before.Contains(indent)
            ? (line, indent + 1, string.Create(
                CultureInfo.InvariantCulture,
                $"this line is indented by {indent} spaces, which fits no line above it; expected {string.Join(" or ", before.Order())}"))
            : null;
    }

    /// <summary>The innermost bracket that is open before a place, ignoring quotes and comments.</summary>
    private static (int Line, int Column, char Bracket)? LastOpen(string[] lines, int line, int column)
    {
        var open = new Stack<(int, int, char)>();
        for (var i = 0; i < Math.Min(line, lines.Length); i++)
        {
            var (text, quote) = (lines[i], '\0');
            for (var j = 0; j < (i == line - 1 ? Math.Min(column - 1, text.Length) : text.Length); j++)
            {
                var c = text[j];
                if (quote != '\0') quote = c == quote ? '\0' : quote;
                else if (c is '"' or '\'') quote = c;
                else if (c == '#' && (j == 0 || text[j - 1] == ' ')) break;
                else if (c is '[' or '{') open.Push((i + 1, j + 1, c));
                else if (c is ']' or '}' && open.Count > 0) open.Pop();
            }
        }
        return open.Count == 0 ? null : open.Peek();
    }

    /// <summary>The indentations of the lines above that a line below them can return to, starting with the nearest line.</summary>
    private static List<int> IndentsBefore(string[] lines, int line)
    {
        var found = new List<int>();
        for (var i = Math.Min(line - 1, lines.Length) - 1; i >= 0; i--)
        {
            if (IsBlank(lines[i])) continue;
            var indent = Indent(lines[i]);
            if (found.Count == 0 || indent < found.Min()) found.Add(indent);
        }
        return found;
    }

    /// <summary>Whether the nearest line above has a key with a value, so that nothing can be nested below it.</summary>
    private static bool HasValue(string[] lines, int line)
    {
        var above = lines.Take(line - 1).LastOrDefault(static text => !IsBlank(text)) ?? "";
        var colon = above.IndexOf(": ", StringComparison.Ordinal);
        return colon >= 0 && above[(colon + 2)..].Trim() is { Length: > 0 } value && value[0] is not ('#' or '|' or '>' or '[' or '{');
    }

    private static bool IsBlank(string line) => line.AsSpan().Trim() is var text && (text.IsEmpty || text[0] == '#');

    private static string Line(string[] lines, int line) => line >= 1 && line <= lines.Length ? lines[line - 1] : "";

    private static int Indent(string line) => line.Length - line.TrimStart(' ').Length;

    private static char At(string[] lines, int line, int column) =>
        Line(lines, line) is var text && column >= 1 && column <= text.Length ? text[column - 1] : ' ';
}
