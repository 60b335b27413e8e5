using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>Makes parts of a configuration that say where in another file they come from.</summary>
internal static class Nodes
{
    public static ScalarNode Text(string value, SourceLocation at) => new(at, value, Plain: false);

    public static SequenceNode List(SourceLocation at, IEnumerable<ConfigurationNode> items) => new(at, [.. items]);

    /// <summary>A section; an entry without a value is left out.</summary>
    public static MappingNode Map(SourceLocation at, params (string Key, ConfigurationNode? Value)[] entries) =>
        new(at, [.. from e in entries where e.Value is not null select new MappingEntry(e.Key, e.Value.Location, e.Value)]);

    /// <summary>The text of a key; null when it is not there, or no text.</summary>
    public static string? TextOf(this MappingNode section, string key) =>
        section.Find(key) is ScalarNode { IsNull: false } text ? text.Value : null;

    /// <summary>The items of a list; none when the key is not there, or no list.</summary>
    public static IEnumerable<ConfigurationNode> ItemsOf(this MappingNode section, string key) =>
        section.Find(key) is SequenceNode list ? list.Items : [];
}
