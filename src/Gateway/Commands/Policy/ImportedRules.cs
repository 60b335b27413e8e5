using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>What sections made of other systems' policies have in common.</summary>
internal static class ImportedRules
{
    // A document has 2000 descriptors at most unless the file says otherwise: a limit that nothing exceeds.
    private const string NoLimit = "100000";

    /// <summary>Under <c>default: deny</c> some rule must be about signatures, or nobody could bring one.</summary>
    public static MappingNode AdmitEvidence(SourceLocation at) => Nodes.Map(
        at,
        ("id", Nodes.Text("evidence-may-come", at)),
        ("match", Nodes.Map(at, ("kinds", Nodes.List(at, [Nodes.Text("evidence", at)])))),
        ("require", Nodes.Map(at, ("limits", Nodes.Map(at, ("maxLayers", Nodes.Text("256", at)))))));

    /// <summary>A requirement that everything satisfies.</summary>
    public static MappingNode RequireNothing(SourceLocation at) =>
        Nodes.Map(at, ("limits", Nodes.Map(at, ("maxLayers", Nodes.Text(NoLimit, at)))));

    /// <summary>Says what the host of an image's name comes to here.</summary>
    public static void CheckHost(Import import, ConfigurationNode at, string path, string name)
    {
        var host = name.Split('/')[0];
        if (host.Contains(':', StringComparison.Ordinal))
            import.Refuse(at, path, $"repositories here have no port in their names; write the name that this gateway gives '{name}'");
        else if (host.Contains('.', StringComparison.Ordinal) && !host.Contains('*', StringComparison.Ordinal)
            && !WellKnownUpstreams.Keys.Contains(host))
            import.Note(
                at, path, $"'{name}' means repositories below the prefix {host} here; take it away for those of this gateway's own");
    }

    /// <summary>Refuses what is not known: it may have made the original stricter.</summary>
    public static void RefuseUnknown(Import import, MappingNode section, string path, string[] known)
    {
        foreach (var entry in section.Entries.Where(entry => !known.Contains(entry.Key)))
            import.Refusals.Add(new(entry.KeyLocation, $"{path}.{entry.Key}", $"unknown key{NearestName.Hint(entry.Key, known)}"));
    }
}
