using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>A part of a YAML document, with its place.</summary>
internal abstract record ConfigurationNode(SourceLocation Location)
{
    /// <summary>Description for use after "got" in a mistake.</summary>
    public abstract string Kind { get; }

    /// <summary>What to do if a section was expected, beginning with punctuation; empty if there is no usual mistake.</summary>
    public virtual string FixAsSection => "";

    /// <summary>The same if a list was expected.</summary>
    public virtual string FixAsList => "";
}

/// <param name="Plain">Written without quotes; <c>null</c> and <c>~</c> then mean no value.</param>
internal sealed record ScalarNode(SourceLocation Location, string Value, bool Plain) : ConfigurationNode(Location)
{
    /// <summary>Whether the key has no value (YAML 1.2 core schema, 10.3.2).</summary>
    public bool IsNull => Plain && Value is "" or "~" or "null" or "Null" or "NULL";

    public override string Kind => IsNull ? "nothing" : "one value";

    public override string FixAsSection => IsNull ? "" : "; write its keys on the lines below it, indented by two spaces";

    public override string FixAsList => IsNull ? "" : "; put it into brackets: [value]";
}

internal sealed record SequenceNode(SourceLocation Location, ImmutableArray<ConfigurationNode> Items) : ConfigurationNode(Location)
{
    public override string Kind => "a list";

    public override string FixAsSection => "; remove the '- ' or the brackets, and end each name with a colon";
}

internal sealed record MappingNode(SourceLocation Location, ImmutableArray<MappingEntry> Entries) : ConfigurationNode(Location)
{
    public override string Kind => "a section";

    public override string FixAsList => "; begin each item with '- '";

    public ConfigurationNode? Find(string key) => Entries.FirstOrDefault(entry => entry.Key == key)?.Value;

    /// <summary>The same section with this key set; it replaces an entry of that name.</summary>
    public MappingNode With(MappingEntry entry)
    {
        var old = Entries.FirstOrDefault(candidate => candidate.Key == entry.Key);
        return this with { Entries = old is null ? Entries.Add(entry) : Entries.Replace(old, entry) };
    }
}

internal sealed record MappingEntry(string Key, SourceLocation KeyLocation, ConfigurationNode Value);
