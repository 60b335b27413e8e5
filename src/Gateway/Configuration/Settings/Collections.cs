using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;

namespace Gateway.Configuration;

/// <summary>A list of things of one type.</summary>
/// <param name="orOne">Whether one item is valid without the list's brackets.</param>
internal sealed class ListOf<T>(SettingType<T> item, bool orOne = false) : SettingType<ImmutableArray<T>>
{
    /// <summary>Maximum items of one list; no person writes more.</summary>
    private const int MaxItems = 10_000;

    public override string Expected => orOne ? $"{item.Expected}, or a list of them" : $"a list, each {item.Expected}";

    public override SettingType Item => item;

    public override bool TakesScalar => orOne && item.TakesScalar;

    public override bool IsSecret => item.IsSecret;

    public override bool TryRead(ConfigurationNode node, string path, Reading reading, out ImmutableArray<T> value)
    {
        value = [];
        if (orOne && node is not SequenceNode) node = new SequenceNode(node.Location, [node]);
        if (node is not SequenceNode list || list.Items.Length > MaxItems)
        {
            var got = node is SequenceNode ? $"more than {MaxItems} items" : node.Kind;
            reading.Add(node.Location, path, $"expected {Expected}, got {got}{node.FixAsList}");
            return false;
        }
        var items = ImmutableArray.CreateBuilder<T>(list.Items.Length);
        for (var i = 0; i < list.Items.Length; i++)
        {
            var place = $"{path}[{i}]";
            reading.Remember(place, list.Items[i].Location);
            if (item.TryRead(list.Items[i], place, reading, out var read)) items.Add(read);
        }
        value = items.ToImmutable();
        return value.Length == list.Items.Length;
    }

    public override JsonObject ToJsonSchema()
    {
        var list = new JsonObject { ["type"] = "array", ["items"] = item.ToJsonSchema() };
        return orOne ? new JsonObject { ["anyOf"] = new JsonArray(item.ToJsonSchema(), list) } : list;
    }
}

/// <summary>A mapping whose keys are free names.</summary>
/// <param name="readValue">Reads one value, given its key.</param>
/// <param name="knownKeys">Keys with a special meaning.</param>
internal sealed class MapOf<T>(SettingType<string> key, SettingType value, MapOf<T>.ReadValue readValue, IEnumerable<string> knownKeys)
    : SettingType<ImmutableSortedDictionary<string, T>>
{
    internal delegate bool ReadValue(string key, ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out T value);

    public MapOf(SettingType<string> key, SettingType<T> value)
        : this(key, value, (string _, ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out T read) =>
            value.TryRead(node, path, reading, out read), [])
    {
    }

    public override string Expected => $"a section whose keys are each {key.Expected}";

    public override SettingType Value => value;

    public override IEnumerable<string> KnownKeys => knownKeys;

    public override bool TryRead(
        ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out ImmutableSortedDictionary<string, T> value)
    {
        value = ImmutableSortedDictionary.Create<string, T>(StringComparer.Ordinal);
        if (node is ScalarNode { IsNull: true }) return true;
        if (node is not MappingNode mapping)
        {
            reading.Add(node.Location, path, $"expected {Expected}, got {node.Kind}{node.FixAsSection}");
            return false;
        }
        var before = reading.Mistakes.Count;
        var entries = value.ToBuilder();
        foreach (var entry in mapping.Entries)
        {
            var place = Reading.Join(path, entry.Key);
            reading.Remember(place, entry.KeyLocation);
            var named = key.TryRead(new ScalarNode(entry.KeyLocation, entry.Key, Plain: false), place, reading, out _);
            if (readValue(entry.Key, entry.Value, place, reading, out var read) && named) entries.Add(entry.Key, read);
        }
        value = entries.ToImmutable();
        return reading.Mistakes.Count == before;
    }

    public override JsonObject ToJsonSchema() =>
        new() { ["type"] = new JsonArray("object", "null"), ["additionalProperties"] = value.ToJsonSchema() };
}

/// <summary>A short form with one value, or a section.</summary>
internal sealed class Either<T>(SettingType<T> brief, SettingType<T> full) : SettingType<T>
{
    public override string Expected => $"{brief.Expected}, or {full.Expected}";

    public override IReadOnlyList<Setting> Settings => full.Settings;

    public override bool TakesScalar => true;

    public override bool IsSecret => brief.IsSecret;

    public override bool TryRead(ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out T value) =>
        (node is ScalarNode ? brief : full).TryRead(node, path, reading, out value);

    public override JsonObject ToJsonSchema() => new() { ["anyOf"] = new JsonArray(brief.ToJsonSchema(), full.ToJsonSchema()) };
}

/// <summary>A type whose value is converted to another type, or refused.</summary>
internal sealed class Converted<TFrom, T>(SettingType<TFrom> from, Func<TFrom, Parsed<T>> convert) : SettingType<T>
{
    public override string Expected => from.Expected;

    public override SettingType? Item => from.Item;

    public override bool TakesScalar => from.TakesScalar;

    public override bool IsSecret => from.IsSecret;

    public override bool TryRead(ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (!from.TryRead(node, path, reading, out var read)) return false;
        var converted = convert(read);
        value = converted.Value!;
        if (converted.Problem is not null) reading.Add(node.Location, path, converted.Problem);
        return converted.Problem is null;
    }

    public override JsonObject ToJsonSchema() => from.ToJsonSchema();
}

/// <summary>A value, or <c>null</c> for none.</summary>
internal sealed class OrNull<T>(SettingType<T> type) : SettingType<T?>
    where T : struct
{
    public override string Expected => type.Expected;

    public override bool TakesScalar => type.TakesScalar;

    public override bool IsSecret => type.IsSecret;

    public override bool TryRead(ConfigurationNode node, string path, Reading reading, out T? value)
    {
        value = null;
        if (node is ScalarNode { IsNull: true }) return true;
        if (!type.TryRead(node, path, reading, out var read)) return false;
        value = read;
        return true;
    }

    public override JsonObject ToJsonSchema() => type.ToJsonSchema();
}
