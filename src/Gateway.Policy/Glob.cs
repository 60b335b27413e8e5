namespace Gateway.Policy;

/// <summary>
/// Anchored, case-sensitive globs: <c>*</c> matches any characters except <c>/</c>, <c>**</c> any characters, and <c>**/</c> at the start
/// of a segment any number of whole segments, including none. There is no escape, because names and tags contain no star. Time is bounded
/// by the length of the text times the length of the pattern.
/// </summary>
public static class Glob
{
    // Names have up to 255 characters; longer text is allocated on the heap.
    private const int OnStack = 512;

    /// <summary>Whether any of the patterns matches the whole text.</summary>
    public static bool IsMatch(IEnumerable<string> patterns, string text) => patterns.Any(pattern => IsMatch(pattern, text));

    /// <summary>Whether the pattern matches the whole text.</summary>
    public static bool IsMatch(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        if (pattern is "**") return true;
        if (!pattern.Contains('*')) return pattern.SequenceEqual(text);
        // reached[i]: the part of the pattern so far matches the first i characters.
        Span<bool> reached = text.Length < OnStack ? stackalloc bool[text.Length + 1] : new bool[text.Length + 1];
        reached.Clear();
        reached[0] = true;
        for (var at = 0; at < pattern.Length;) at += Step(pattern, at, text, reached);
        return reached[^1];
    }

    // Processes one element of the pattern and returns its length.
    private static int Step(ReadOnlySpan<char> pattern, int at, ReadOnlySpan<char> text, Span<bool> reached)
    {
        var rest = pattern[at..];
        if (rest.StartsWith("**/") && (at == 0 || pattern[at - 1] == '/'))
        {
            Spread(reached, text, static (before, here, c) => here || (before && c == '/'), keep: true);
            return 3;
        }
        if (rest.StartsWith("**"))
        {
            Spread(reached, text, static (before, here, _) => here || before, keep: true);
            return 2;
        }
        if (rest[0] == '*')
        {
            Spread(reached, text, static (before, here, c) => here || (before && c != '/'), keep: false);
            return 1;
        }
        for (var i = text.Length; i > 0; i--) reached[i] = reached[i - 1] && text[i - 1] == rest[0];
        reached[0] = false;
        return 1;
    }

    // Computes each position from earlier ones: from the position just before, or with keep from any position before.
    private static void Spread(Span<bool> reached, ReadOnlySpan<char> text, Func<bool, bool, char, bool> rule, bool keep)
    {
        var before = reached[0];
        for (var i = 1; i < reached.Length; i++)
        {
            var here = reached[i];
            reached[i] = rule(before, here, text[i - 1]);
            before = keep ? before || here : reached[i];
        }
    }
}
