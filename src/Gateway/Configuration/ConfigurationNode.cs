using System.Collections.Immutable;

namespace Gateway.Configuration;

/// <summary>A part of a YAML document that remembers where it was written.</summary>
internal abstract record ConfigurationNode(SourceLocation Location)
{
    /// <summary>What came, in words, for a mistake's text.</summary>
    public abstract string Kind { get; }

    /// <summary>What to do where a section was expected, beginning with punctuation; empty where there is no usual mistake.</summary>
    public virtual string FixAsSection => "";

    /// <summary>The same where a list was expected.</summary>
    public virtual string FixAsList => "";
}

/// <param name="Plain">Written without quotes, so that <c>null</c> and <c>~</c> mean nothing at all.</param>
internal sealed record ScalarNode(SourceLocation Location, string Value, bool Plain) : ConfigurationNode(Location)
{
    /// <summary>Nothing was written after the key (YAML 1.2 core schema, 10.3.2).</summary>
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

    /// <summary>The same section with this key set; an entry of that name is replaced in its place.</summary>
    public MappingNode With(MappingEntry entry)
    {
        var old = Entries.FirstOrDefault(candidate => candidate.Key == entry.Key);
        return this with { Entries = old is null ? Entries.Add(entry) : Entries.Replace(old, entry) };
    }
}

/// <param name="KeyLocation">Where the key stands.</param>
internal sealed record MappingEntry(string Key, SourceLocation KeyLocation, ConfigurationNode Value);
