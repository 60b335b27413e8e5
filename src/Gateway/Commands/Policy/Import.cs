using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>
/// The messages of an import. The import never weakens a policy silently: unsupported requirements are refused, or the rule is stricter
/// than the original and a note says so.
/// </summary>
internal sealed class Import
{
    /// <summary>Faults that prevent the import.</summary>
    public List<ConfigurationMistake> Refusals { get; } = [];

    /// <summary>Parts that the import changes.</summary>
    public List<ConfigurationMistake> Notes { get; } = [];

    /// <summary>Remarks for the reader of the new section; each becomes a comment above it.</summary>
    public List<string> Comments { get; } = [];

    public void Refuse(ConfigurationNode at, string path, string message) => Refusals.Add(new(at.Location, path, message));

    public void Note(ConfigurationNode at, string path, string message) => Notes.Add(new(at.Location, path, message));
}
