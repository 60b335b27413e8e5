using System.Globalization;

namespace Gateway.Configuration;

/// <summary>
/// Applies environment variables over the file: <c>GATEWAY__STORAGE__PATH</c> sets <c>storage.path</c>, a number is a place in a list, and
/// <c>…__FILE</c> names a file with the value. A segment matches a key regardless of case, with <c>_</c> for every character that the
/// name of a variable cannot contain: <c>GATEWAY__UPSTREAMS__DOCKER_IO__LIBRARY</c>.
/// </summary>
internal sealed class EnvironmentOverrides(Reading reading)
{
    /// <summary>Two underscores, so that variables of Kubernetes for a service named gateway (<c>GATEWAY_PORT</c>) do not match.</summary>
    private const string Prefix = "GATEWAY__";

    private const string FileSuffix = "__FILE";

    public ConfigurationNode Apply(ConfigurationNode root, IEnumerable<KeyValuePair<string, string>> environment)
    {
        // Shorter names first: a section before its keys, and place 9 of a list before place 10.
        var ours = environment.Where(variable => variable.Key.StartsWith(Prefix, StringComparison.Ordinal))
            .OrderBy(variable => variable.Key.Length).ThenBy(variable => variable.Key, StringComparer.Ordinal);
        foreach (var (name, value) in ours)
        {
            var fromFile = name.EndsWith(FileSuffix, StringComparison.Ordinal) && name.Length > Prefix.Length + FileSuffix.Length;
            var key = (fromFile ? name[..^FileSuffix.Length] : name)[Prefix.Length..];
            var text = fromFile ? ReadSecret(name, value) : value;
            if (text is not null) root = Set(root, GatewaySchema.Root, key.Split("__"), new(name, text));
        }
        return root;
    }

    private ConfigurationNode Set(ConfigurationNode? node, SettingType? type, ReadOnlySpan<string> segments, Variable variable)
    {
        if (segments.IsEmpty || type is null) return Leaf(type, variable);
        // In a list that can be written as one section, keys belong to that section.
        if (node is not SequenceNode && type.Item is { } one && Names(one, segments[0])) return Set(node, one, segments, variable);
        if (type.Item is not null) return SetItem(node, type, segments, variable);
        if (type.Settings.Count == 0 && type.Value is null)
            return Refuse(node, variable, $"'{segments[0]}' is below a key that holds {type.Expected}");
        var mapping = node as MappingNode ?? new MappingNode(variable.Location, []);
        var key = Resolve(type, mapping, segments[0]);
        var below = type.Value ?? type.Settings.FirstOrDefault(setting => setting.Name == key)?.Type;
        var location = mapping.Entries.FirstOrDefault(entry => entry.Key == key)?.KeyLocation ?? variable.Location;
        var value = Set(mapping.Find(key), below, segments[1..], variable);
        return mapping.With(new(key, segments.Length == 1 ? variable.Location : location, value));
    }

    private static bool Names(SettingType type, string segment) => type.Settings.Any(setting => Fold(setting.Name) == Fold(segment));

    private ConfigurationNode SetItem(ConfigurationNode? node, SettingType type, ReadOnlySpan<string> segments, Variable variable)
    {
        var list = node as SequenceNode ?? new SequenceNode(variable.Location, node is null or ScalarNode { IsNull: true } ? [] : [node]);
        if (!int.TryParse(segments[0], NumberStyles.None, CultureInfo.InvariantCulture, out var index) || index > list.Items.Length)
            return Refuse(node, variable, $"expected a place in the list from 0 to {list.Items.Length}, got '{segments[0]}'");
        var item = Set(index < list.Items.Length ? list.Items[index] : null, type.Item, segments[1..], variable);
        return list with { Items = index < list.Items.Length ? list.Items.SetItem(index, item) : list.Items.Add(item) };
    }

    /// <summary>A single value is used as written; a list or section is written as YAML.</summary>
    private ConfigurationNode Leaf(SettingType? type, Variable variable)
    {
        var isYaml = variable.Value.StartsWith('[') || variable.Value.StartsWith('{');
        var takesYaml = type is not null && (type.Item is not null || type.Value is not null || type.Settings.Count > 0);
        if (!takesYaml || (type!.TakesScalar && !isYaml)) return new ScalarNode(variable.Location, variable.Value, Plain: false);
        return YamlReader.Read(variable.Value, variable.Name, reading.Mistakes) ?? new ScalarNode(variable.Location, "", Plain: true);
    }

    private ConfigurationNode Refuse(ConfigurationNode? node, Variable variable, string message)
    {
        reading.Add(variable.Location, "", message);
        return node ?? new MappingNode(variable.Location, []);
    }

    /// <summary>The key that a segment matches; the segment in lower case if there is none.</summary>
    private static string Resolve(SettingType type, MappingNode mapping, string segment) =>
        mapping.Entries.Select(entry => entry.Key)
            .Concat(type.Settings.Select(setting => setting.Name))
            .Concat(type.KnownKeys)
            .FirstOrDefault(key => Fold(key) == Fold(segment)) ?? segment.ToLowerInvariant();

    private static string Fold(string key) => string.Concat(key.Select(c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '_'));

    private string? ReadSecret(string variable, string path)
    {
        try
        {
            return BoundedFile.ReadText(reading.Absolute(path)).TrimEnd('\r', '\n');
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            reading.Add(SourceLocation.OfVariable(variable), "", $"expected the path of a file that can be read: {problem.Message}");
            return null;
        }
    }

    private sealed record Variable(string Name, string Value)
    {
        public SourceLocation Location => SourceLocation.OfVariable(Name);
    }
}
