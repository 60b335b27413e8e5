namespace Gateway.Commands.Doctor;

/// <summary>A table of a TOML file, with its keys in the order of the file.</summary>
/// <param name="Name">As written between the brackets; empty for the keys before the first table.</param>
/// <param name="Values">Values as written: texts keep their quotes.</param>
internal sealed record TomlTable(string Name, Dictionary<string, string> Values)
{
    /// <summary>The value of a text or of a word; null if the key is absent.</summary>
    public string? this[string key] => Values.TryGetValue(key, out var value) ? value.Trim('"', '\'') : null;
}

/// <summary>
/// Reads hosts.toml, registries.conf and config.toml as people write them: tables, and keys with values on one line or in an array over
/// several. It does not check the file; the client does.
/// </summary>
internal static class TomlLines
{
    public static List<TomlTable> Read(string text)
    {
        var tables = new List<TomlTable> { new("", []) };
        var open = "";
        foreach (var raw in text.Split('\n'))
        {
            var line = open + WithoutComment(raw).Trim();
            if (line.Length == 0) continue;
            if (line[0] == '[' && open.Length == 0)
            {
                tables.Add(new(line.Trim('[', ']', ' '), []));
                continue;
            }
            if (line.Count(c => c == '[') > line.Count(c => c == ']'))
            {
                open = line + " ";
                continue;
            }
            open = "";
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0) tables[^1].Values[line[..equals].Trim().Trim('"')] = line[(equals + 1)..].Trim();
        }
        return tables;
    }

    private static string WithoutComment(string line)
    {
        var inText = false;
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '"') inText = !inText;
            if (line[i] == '#' && !inText) return line[..i];
        }
        return line;
    }
}
