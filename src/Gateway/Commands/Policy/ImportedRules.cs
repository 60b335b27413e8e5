using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>Shared parts of the imports.</summary>
internal static class ImportedRules
{
    // A document has at most 2000 descriptors unless the file sets another limit, so nothing exceeds this.
    private const string NoLimit = "100000";

    /// <summary>Under <c>default: deny</c> a rule must allow evidence; otherwise no client could push a signature.</summary>
    public static MappingNode AdmitEvidence(SourceLocation at) => Nodes.Map(
        at,
        ("id", Nodes.Text("evidence-may-come", at)),
        ("match", Nodes.Map(at, ("kinds", Nodes.List(at, [Nodes.Text("evidence", at)])))),
        ("require", Nodes.Map(at, ("limits", Nodes.Map(at, ("maxLayers", Nodes.Text("256", at)))))));

    /// <summary>A requirement that everything satisfies.</summary>
    public static MappingNode RequireNothing(SourceLocation at) =>
        Nodes.Map(at, ("limits", Nodes.Map(at, ("maxLayers", Nodes.Text(NoLimit, at)))));

    /// <summary>Reports the meaning of the host in an image's name.</summary>
    public static void CheckHost(Import import, ConfigurationNode at, string path, string name)
    {
        var host = name.Split('/')[0];
        if (host.Contains(':', StringComparison.Ordinal))
            import.Refuse(at, path, $"expected a name without port; write the name of '{name}' at this gateway");
        else if (host.Contains('.', StringComparison.Ordinal) && !host.Contains('*', StringComparison.Ordinal)
            && !WellKnownUpstreams.Keys.Contains(host))
            import.Note(
                at, path, $"'{name}' means repositories below the prefix {host}; remove the host for built-in repositories");
    }

    /// <summary>Refuses unknown keys, because they may make the original stricter.</summary>
    public static void RefuseUnknown(Import import, MappingNode section, string path, string[] known)
    {
        foreach (var entry in section.Entries.Where(entry => !known.Contains(entry.Key)))
            import.Refusals.Add(new(entry.KeyLocation, $"{path}.{entry.Key}", $"unknown key{NearestName.Hint(entry.Key, known)}"));
    }
}
