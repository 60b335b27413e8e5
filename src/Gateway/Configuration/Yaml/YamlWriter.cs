using System.Buffers;
using System.Globalization;
using System.Text;

namespace Gateway.Configuration;

/// <summary>Writes nodes as YAML that <see cref="YamlReader"/> reads back as the same keys and values.</summary>
internal static class YamlWriter
{
    /// <summary>Maximum length of a list that is written in one line; it fits a screen together with its key.</summary>
    private const int MaxLine = 90;

    private static readonly SearchValues<char> Plain =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _./+@:-");

    public static string Write(MappingNode root)
    {
        var text = new StringBuilder();
        WriteEntries(root, 0, text, isInline: false);
        return text.ToString();
    }

    // After a key's colon or a list's dash.
    private static void WriteValue(ConfigurationNode node, int indent, StringBuilder text)
    {
        switch (node)
        {
            case ScalarNode scalar:
                text.Append(' ').Append(Scalar(scalar, indent)).Append('\n');
                break;
            case MappingNode { Entries.IsEmpty: true }:
                text.Append(" {}\n");
                break;
            case MappingNode mapping:
                text.Append('\n');
                WriteEntries(mapping, indent, text, isInline: false);
                break;
            case SequenceNode list when Line(list) is { } line:
                text.Append(' ').Append(line).Append('\n');
                break;
            case SequenceNode list:
                text.Append('\n');
                foreach (var item in list.Items) WriteItem(item, indent, text);
                break;
        }
    }

    private static void WriteItem(ConfigurationNode item, int indent, StringBuilder text)
    {
        text.Append(' ', indent).Append('-');
        if (item is MappingNode { Entries.IsEmpty: false } mapping) WriteEntries(mapping, indent + 2, text.Append(' '), isInline: true);
        else WriteValue(item, indent + 2, text);
    }

    /// <param name="isInline">Whether the first entry follows a dash.</param>
    private static void WriteEntries(MappingNode mapping, int indent, StringBuilder text, bool isInline)
    {
        foreach (var (i, entry) in mapping.Entries.Index())
        {
            if (!isInline || i > 0) text.Append(' ', indent);
            text.Append(IsPlain(entry.Key) ? entry.Key : Quoted(entry.Key)).Append(':');
            WriteValue(entry.Value, indent + 2, text);
        }
    }

    // A list of values in one line; null when it is too long for one, or holds more than values.
    private static string? Line(SequenceNode list)
    {
        var isOfValues = list.Items.All(
            static item => item is ScalarNode { Value: var value } && !value.Contains('\n', StringComparison.Ordinal));
        if (!isOfValues) return null;
        var line = $"[{string.Join(", ", list.Items.Cast<ScalarNode>().Select(static scalar => Scalar(scalar, 0)))}]";
        return line.Length <= MaxLine ? line : null;
    }

    private static string Scalar(ScalarNode scalar, int indent)
    {
        if (scalar.IsNull) return "null";
        if (IsPlain(scalar.Value)) return scalar.Value;
        return IsBlock(scalar.Value) ? Block(scalar.Value, indent) : Quoted(scalar.Value);
    }

    private static bool IsPlain(string text) =>
        text.Length > 0
        && (char.IsAsciiLetterOrDigit(text[0]) || text[0] == '/')
        && !text.AsSpan().ContainsAnyExcept(Plain)
        && !text.Contains(": ", StringComparison.Ordinal)
        && text[^1] is not (':' or ' ')
        && text is not ("null" or "Null" or "NULL");

    // For the lines of a PEM, for instance. A first line that begins with a space would change the indentation.
    private static bool IsBlock(string text) =>
        text.Length > 1 && text[0] is not (' ' or '\n') && text.IndexOf('\n', StringComparison.Ordinal) is > 0
        && !text.EndsWith("\n\n", StringComparison.Ordinal) && text.All(static c => c is '\n' or (>= ' ' and <= '~'));

    private static string Block(string text, int indent)
    {
        var pad = new string(' ', indent);
        var lines = text.TrimEnd('\n').Split('\n').Select(line => line.Length == 0 ? "" : pad + line);
        return $"|{(text[^1] == '\n' ? "" : "-")}\n{string.Join('\n', lines)}";
    }

    private static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            if (c is '"' or '\\') quoted.Append('\\').Append(c);
            else if (c is >= ' ' and <= '~' || char.IsLetterOrDigit(c)) quoted.Append(c);
            else quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }
        return quoted.Append('"').ToString();
    }
}
