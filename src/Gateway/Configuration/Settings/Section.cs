using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;

namespace Gateway.Configuration;

/// <summary>A mapping with known keys, which is read into a record. Declared as a collection initializer with one entry per key.</summary>
/// <param name="seed">The record with its defaults.</param>
/// <param name="check">Checks the keys together after all are read.</param>
internal sealed class Section<T>(Func<T> seed, Action<T, string, Reading>? check = null) : SettingType<T>, IEnumerable
{
    private readonly List<Key> _keys = [];

    public override string Expected => "a section with keys";

    public override IReadOnlyList<Setting> Settings => _keys;

    public void Add<TValue>(string name, SettingType<TValue> type, string standard, string summary, Func<T, TValue, T> apply) =>
        _keys.Add(new Key<TValue>(name, type, standard, summary, apply));

    public void Add<TValue>(string name, SettingType<TValue> type, Required _, string summary, Func<T, TValue, T> apply) =>
        _keys.Add(new Key<TValue>(name, type, null, summary, apply) { IsRequired = true });

    public override bool TryRead(ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out T value) =>
        TryRead(node, path, reading, seed(), out value);

    /// <summary>Reads the section with these defaults in place of its own.</summary>
    /// <param name="value">Also set after a mistake, as far as it could be read.</param>
    public bool TryRead(ConfigurationNode node, string path, Reading reading, T defaults, out T value)
    {
        value = defaults;
        var entries = node is MappingNode mapping ? mapping.Entries : [];
        if (node is not (MappingNode or ScalarNode { IsNull: true }))
        {
            reading.Add(node.Location, path, $"expected {Expected}, got {node.Kind}{node.FixAsSection}");
            return false;
        }
        var before = reading.Mistakes.Count;
        foreach (var entry in entries) value = Apply(value, entry, Reading.Join(path, entry.Key), reading);
        foreach (var missing in _keys.Where(key => key.IsRequired && !entries.Any(entry => entry.Key == key.Name)))
            reading.Add(node.Location, Reading.Join(path, missing.Name), $"must be written; expected {missing.Type.Expected}");
        if (reading.Mistakes.Count == before) check?.Invoke(value, path, reading);
        return reading.Mistakes.Count == before;
    }

    private T Apply(T value, MappingEntry entry, string path, Reading reading)
    {
        reading.Remember(path, entry.KeyLocation);
        if (_keys.Find(key => key.Name == entry.Key) is { } known) return known.Read(value, entry.Value, path, reading);
        reading.Add(
            entry.KeyLocation, path, $"unknown key{MisplacedKey.Hint(entry.Key, path == entry.Key, _keys.Select(key => key.Name))}");
        return value;
    }

    public override JsonObject ToJsonSchema()
    {
        var properties = new JsonObject();
        foreach (var key in _keys)
        {
            var schema = key.Type.ToJsonSchema();
            schema["description"] = key.Summary;
            properties[key.Name] = schema;
        }
        var result = new JsonObject
        {
            ["type"] = new JsonArray("object", "null"),
            ["additionalProperties"] = false,
            ["properties"] = properties,
        };
        var required = _keys.Where(key => key.IsRequired).Select(key => (JsonNode)key.Name).ToArray();
        if (required.Length > 0) result["required"] = new JsonArray(required);
        return result;
    }

    public IEnumerator GetEnumerator() => _keys.GetEnumerator();

    private abstract record Key(string Name, SettingType Type, string? Default, string Summary) : Setting(Name, Type, Default, Summary)
    {
        public abstract T Read(T value, ConfigurationNode node, string path, Reading reading);
    }

    private sealed record Key<TValue>(string Name, SettingType<TValue> ValueType, string? Default, string Summary, Func<T, TValue, T> Set)
        : Key(Name, ValueType, Default, Summary)
    {
        public override T Read(T value, ConfigurationNode node, string path, Reading reading) =>
            ValueType.TryRead(node, path, reading, out var read) ? Set(value, read) : value;
    }
}

/// <summary>Marks a key without a default.</summary>
internal sealed record Required;
