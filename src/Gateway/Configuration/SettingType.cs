using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;

namespace Gateway.Configuration;

/// <summary>
/// What a place in gateway.yaml may hold. One tree of these is the only declaration of the file: reading, checks, overrides, JSON Schema
/// and the reference page all walk it.
/// </summary>
internal abstract class SettingType
{
    /// <summary>In words, after "expected": <c>a size such as 20GiB</c>.</summary>
    public abstract string Expected { get; }

    /// <summary>Keys of a section; empty for anything else.</summary>
    public virtual IReadOnlyList<Setting> Settings => [];

    /// <summary>What each item of a list holds; null for anything else.</summary>
    public virtual SettingType? Item => null;

    /// <summary>What each key of a map holds; null for anything else.</summary>
    public virtual SettingType? Value => null;

    /// <summary>
    /// Keys that have a meaning without being settings: well-known upstreams of a map, those that a section refuses in this version.
    /// </summary>
    public virtual IEnumerable<string> KnownKeys => [];

    /// <summary>Whether one value may stand here, not only a list or section.</summary>
    public virtual bool TakesScalar => false;

    /// <summary>JSON Schema 2020-12 of this place.</summary>
    public abstract JsonObject ToJsonSchema();
}

/// <summary>A type that reads into <typeparamref name="T"/>.</summary>
internal abstract class SettingType<T> : SettingType
{
    /// <summary>Reads a node. False when it is wrong; the mistake has been added then.</summary>
    public abstract bool TryRead(ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out T value);
}

/// <summary>A key of a section.</summary>
/// <param name="Default">What holds when the key is left out, as it would be written, or <c>(in words)</c>; null when there is
/// none.</param>
/// <param name="Summary">What it is for; Markdown, one line.</param>
internal abstract record Setting(string Name, SettingType Type, string? Default, string Summary)
{
    /// <summary>Whether its section is refused without it.</summary>
    public bool IsRequired { get; init; }
}
