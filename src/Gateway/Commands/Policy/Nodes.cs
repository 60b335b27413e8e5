using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>Creates nodes of a configuration with their place in another file.</summary>
internal static class Nodes
{
    public static ScalarNode Text(string value, SourceLocation at) => new(at, value, Plain: false);

    public static SequenceNode List(SourceLocation at, IEnumerable<ConfigurationNode> items) => new(at, [.. items]);

    /// <summary>A section; entries without a value are omitted.</summary>
    public static MappingNode Map(SourceLocation at, params (string Key, ConfigurationNode? Value)[] entries) =>
        new(at, [.. from e in entries where e.Value is not null select new MappingEntry(e.Key, e.Value.Location, e.Value)]);

    /// <summary>The text of a key; null if it is missing or not a text.</summary>
    public static string? TextOf(this MappingNode section, string key) =>
        section.Find(key) is ScalarNode { IsNull: false } text ? text.Value : null;

    /// <summary>The items of a list; none if the key is missing or not a list.</summary>
    public static IEnumerable<ConfigurationNode> ItemsOf(this MappingNode section, string key) =>
        section.Find(key) is SequenceNode list ? list.Items : [];
}
