namespace Gateway.Configuration;

/// <summary>A setting in force, with where its value comes from.</summary>
/// <param name="Name">The key, such as <c>upstreams.docker.io.url</c>.</param>
/// <param name="Value">The value as it is written, in one line; secrets are masked.</param>
/// <param name="Source">The file with its line, the environment variable, or <c>default</c>.</param>
/// <param name="IsDefault">Whether it is written nowhere.</param>
public sealed record SettingRow(string Name, string Value, string Source, bool IsDefault);

/// <summary>The text that a configuration was read from, with the environment applied.</summary>
/// <param name="source">The name of the file.</param>
/// <param name="folder">The absolute base of relative paths.</param>
/// <param name="text">The file.</param>
/// <param name="root">The document, with what the environment overrides.</param>
/// <param name="files">The absolute paths of the files that it names and that were read.</param>
internal sealed class ConfigurationOrigin(
    string source, string folder, string text, ConfigurationNode root, IReadOnlySet<string> files)
{
    // A line of a page. A longer value is cut.
    private const int MostCharacters = 200;

    // The rows of a configuration with some thousand values; the file itself has all.
    private const int MostRows = 5000;

    private const string Masked = "••••••";

    /// <summary>The name of the file.</summary>
    public string Source => source;

    /// <summary>The absolute base of relative paths.</summary>
    public string Folder => folder;

    /// <summary>The absolute paths of the files that it names and that were read.</summary>
    public IReadOnlySet<string> Files => files;

    /// <summary>
    /// The lines of one section of the file; empty when the file has none, and when its first line also has another section, which may
    /// have secrets.
    /// </summary>
    /// <param name="key">A key of the top level.</param>
    public string SectionText(string key)
    {
        if (root is not MappingNode mapping) return "";
        var entries = mapping.Entries.Where(entry => entry.KeyLocation.Source == source && entry.KeyLocation.Line > 0)
            .OrderBy(static entry => entry.KeyLocation.Line).ToArray();
        var at = Array.FindIndex(entries, entry => entry.Key == key);
        if (at < 0) return "";
        var lines = text.Split('\n');
        var (line, column) = (entries[at].KeyLocation.Line, entries[at].KeyLocation.Column);
        if (lines[line - 1][..(column - 1)].Trim(' ', '\t', '{', '"', '\'', '\uFEFF').Length > 0) return "";
        var end = at + 1 < entries.Length ? entries[at + 1].KeyLocation.Line - 1 : lines.Length;
        return string.Join('\n', lines[(line - 1)..end]).TrimEnd() + "\n";
    }

    /// <summary>Every setting that is written, and the defaults of all others, in the order of the reference page.</summary>
    public IReadOnlyList<SettingRow> Rows()
    {
        var rows = new List<SettingRow>();
        Add(rows, "", GatewaySchema.Root, root, "(none)");
        return rows;
    }

    private static void Add(List<SettingRow> rows, string path, SettingType type, ConfigurationNode? node, string? standard)
    {
        if (rows.Count == MostRows) return;
        switch (node)
        {
            case null or ScalarNode { IsNull: true } when type is { Item: null, Value: null, Settings.Count: > 0 }:
                foreach (var setting in type.Settings) Add(rows, Reading.Join(path, setting.Name), setting.Type, null, setting.Default);
                break;
            case null or ScalarNode { IsNull: true }:
                if (standard is not null) rows.Add(new(path, standard.Trim('(', ')', '`'), "default", IsDefault: true));
                break;
            case ScalarNode scalar:
                rows.Add(new(path, Shown(type, scalar.Value), Place(scalar.Location), IsDefault: false));
                break;
            case SequenceNode list:
                AddItems(rows, path, type, list);
                break;
            case MappingNode mapping when type.Item is { } one && type.Settings.Count == 0:
                Add(rows, path, one, mapping, null);
                break;
            case MappingNode mapping:
                AddKeys(rows, path, type, mapping);
                break;
        }
    }

    private static void AddItems(List<SettingRow> rows, string path, SettingType type, SequenceNode list)
    {
        var item = type.Item ?? type;
        if (list.Items.All(static each => each is ScalarNode))
        {
            var values = list.Items.Cast<ScalarNode>().Select(each => Shown(item, each.Value));
            rows.Add(new(path, Cut($"[{string.Join(", ", values)}]"), Place(list.Location), IsDefault: false));
            return;
        }
        for (var i = 0; i < list.Items.Length; i++) Add(rows, $"{path}[{i}]", item, list.Items[i], null);
    }

    private static void AddKeys(List<SettingRow> rows, string path, SettingType type, MappingNode mapping)
    {
        foreach (var entry in mapping.Entries.Where(entry => type.Settings.All(setting => setting.Name != entry.Key)))
            Add(rows, Reading.Join(path, entry.Key), type.Value ?? type, entry.Value, "no settings of its own");
        foreach (var setting in type.Settings)
            Add(rows, Reading.Join(path, setting.Name), setting.Type, mapping.Find(setting.Name), setting.Default);
    }

    private static string Shown(SettingType type, string value) =>
        type.IsSecret || Secrets.MayBeIn(value) ? Masked : Cut(Printable.Line(value, MostCharacters));

    private static string Cut(string value) => value.Length <= MostCharacters ? value : value[..MostCharacters] + "…";

    private static string Place(SourceLocation location) =>
        location.Line == 0 ? location.Source : $"{location.Source}:{location.Line}";
}
