using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;

namespace Gateway.Configuration;

/// <summary>
/// The type of a place in gateway.yaml. One tree of these types is the only declaration of the file; reading, checks, overrides, JSON
/// Schema and the reference page all use it.
/// </summary>
internal abstract class SettingType
{
    /// <summary>Description for use after "expected": <c>a size such as 20GiB</c>.</summary>
    public abstract string Expected { get; }

    /// <summary>Keys of a section; empty for anything else.</summary>
    public virtual IReadOnlyList<Setting> Settings => [];

    /// <summary>Type of the items of a list; null for anything else.</summary>
    public virtual SettingType? Item => null;

    /// <summary>Type of the values of a map; null for anything else.</summary>
    public virtual SettingType? Value => null;

    /// <summary>Keys with a meaning that are not settings: the well-known upstreams of a map.</summary>
    public virtual IEnumerable<string> KnownKeys => [];

    /// <summary>Whether a single value is valid here, not only a list or section.</summary>
    public virtual bool TakesScalar => false;

    /// <summary>Whether the written value must not appear in any output.</summary>
    public virtual bool IsSecret => false;

    /// <summary>JSON Schema 2020-12 of this place.</summary>
    public abstract JsonObject ToJsonSchema();
}

/// <summary>A type whose values are read into <typeparamref name="T"/>.</summary>
internal abstract class SettingType<T> : SettingType
{
    /// <summary>Reads a node. False if it is invalid; the mistake is then added to the reading.</summary>
    public abstract bool TryRead(ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out T value);
}

/// <summary>A key of a section.</summary>
/// <param name="Default">The value if the key is omitted, in its written form, or <c>(in words)</c>; null if there is
/// none.</param>
/// <param name="Summary">Its purpose, as one line of Markdown.</param>
internal abstract record Setting(string Name, SettingType Type, string? Default, string Summary)
{
    /// <summary>Whether its section is invalid without it.</summary>
    public bool IsRequired { get; init; }
}
