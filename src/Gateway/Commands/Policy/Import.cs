using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>
/// What is said while somebody else's policy is carried over. Nothing becomes weaker in silence: what this gateway cannot ask for is
/// refused, or the rule asks for more than the original did and a note says so.
/// </summary>
internal sealed class Import
{
    /// <summary>What keeps the whole from being carried over.</summary>
    public List<ConfigurationMistake> Refusals { get; } = [];

    /// <summary>What is not carried over as it stands.</summary>
    public List<ConfigurationMistake> Notes { get; } = [];

    /// <summary>What whoever reads the new section should know; each becomes a comment above it.</summary>
    public List<string> Comments { get; } = [];

    public void Refuse(ConfigurationNode at, string path, string message) => Refusals.Add(new(at.Location, path, message));

    public void Note(ConfigurationNode at, string path, string message) => Notes.Add(new(at.Location, path, message));
}
