using System.Text.RegularExpressions;

namespace Gateway.BlackBox.Rig;

/// <summary>A code block of the README's tour.</summary>
/// <param name="Title">The bold words before it, which name what it shows.</param>
internal sealed record TourBlock(string Title, string[] Lines)
{
    /// <summary>Whether it is a part of gateway.yaml.</summary>
    public bool IsYaml => Regex.IsMatch(Lines[0], @"^[a-z]+:( |$)");

    /// <summary>Whether commands follow a prompt, with their output below them.</summary>
    public bool ShowsOutput => Array.Exists(Lines, line => line.StartsWith("$ ", StringComparison.Ordinal));

    /// <summary>The commands, each with the lines that follow it, without comments.</summary>
    public IEnumerable<(string Command, string[] Output)> Commands()
    {
        for (var i = 0; i < Lines.Length;)
        {
            var (first, isPrompt) = (Lines[i++], ShowsOutput);
            var command = isPrompt ? first[2..] : first;
            while (command.EndsWith('\\') && i < Lines.Length) command = $"{command}\n{Lines[i++]}";
            var output = new List<string>();
            // After a command without a prompt, the output is a comment.
            for (; i < Lines.Length && Lines[i].StartsWith(isPrompt ? "$ " : "# ", StringComparison.Ordinal) != isPrompt; i++)
                output.Add(isPrompt ? Lines[i] : Lines[i][2..]);
            yield return (command, [.. output]);
        }
    }
}

/// <summary>The section "A tour" of README.md, block by block.</summary>
internal static partial class Tour
{
    public static TourBlock[] Blocks()
    {
        var lines = File.ReadAllLines(Path.Combine(RigFolder.Repository, "README.md"))
            .SkipWhile(line => line != "## A tour").Skip(1).TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal)).ToArray();
        var (title, block, blocks) = ("", new List<string>(), new List<TourBlock>());
        foreach (var line in lines.Append("end"))
        {
            if (line.StartsWith("    ", StringComparison.Ordinal)) block.Add(line[4..]);
            else
            {
                if (block.Count > 0) blocks.Add(new(title, [.. block]));
                block.Clear();
                if (Title().Match(line) is { Success: true } named) title = named.Groups[1].Value;
            }
        }
        return [.. blocks];
    }

    /// <summary>
    /// Whether the output of a program matches the page. <c>…</c> matches anything. Numbers, digests, times and decisions may differ, and
    /// so may line breaks.
    /// </summary>
    public static bool Shows(string[] page, string printed)
    {
        var (at, text) = (0, Comparable(printed));
        const StringSplitOptions Parts = StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries;
        foreach (var part in Comparable(string.Join('\n', page)).Split('…', Parts))
        {
            var found = text.IndexOf(part, at, StringComparison.Ordinal);
            if (found < 0) return false;
            at = found + part.Length;
        }
        return true;
    }

    private static string Comparable(string text)
    {
        text = Volatile().Replace(Color().Replace(text, ""), "…");
        text = Digits().Replace(text, "0");
        text = Unit().Replace(text, "0 B");
        return Space().Replace(text, " ");
    }

    [GeneratedRegex(@"^\*\*(.+?)\.?\*\*")]
    private static partial Regex Title();

    [GeneratedRegex(@"sha256:[0-9a-f]{8,}|d-[0-9A-Z]{8}|\d{4}-\d\d-\d\dT[0-9:.]+Z")]
    private static partial Regex Volatile();

    // ECMA-48, "select graphic rendition": crane prints warnings in color even without a terminal.
    [GeneratedRegex(@"\x1b\[[0-9;]*m")]
    private static partial Regex Color();

    [GeneratedRegex(@"\d+(\.\d+)?")]
    private static partial Regex Digits();

    [GeneratedRegex(@"0 [KMG]iB")]
    private static partial Regex Unit();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
