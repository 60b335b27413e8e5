using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>
/// Carries over what a config.yaml of Red Hat Quay says of artifact types. Its other settings are none of a policy's business.
/// </summary>
internal static class QuayImport
{
    private static readonly string[] Carried = ["FEATURE_GENERAL_OCI_SUPPORT", "FEATURE_HELM_OCI_SUPPORT", "ALLOWED_OCI_ARTIFACT_TYPES"];

    // What changes the meaning of the settings above, each with what it does in Quay's code.
    private static readonly (string Key, string What)[] Beside =
    [
        ("IGNORE_UNKNOWN_MEDIATYPES", "with it Quay 3.9 to 3.11 takes every type; here the list is enforced, which is stricter "
            + "(semantics: quay-off enforces nothing)"),
        ("OCI_NAMESPACE_WHITELIST", "namespaces that FEATURE_GENERAL_OCI_SUPPORT does not switch off; here it holds everywhere, which is "
            + "stricter"),
        ("V22_NAMESPACE_BLACKLIST", "namespaces where Quay takes neither Docker's nor OCI's documents; take the push right away there by "
            + "access.rules"),
    ];

    /// <summary>The <c>policy</c> section.</summary>
    public static MappingNode? Read(ConfigurationNode document, Import import)
    {
        if (document is not MappingNode config)
        {
            import.Refuse(document, "", $"expected Quay's config.yaml, a section with keys; {document.Kind} came");
            return null;
        }
        foreach (var (key, what) in Beside)
        {
            if (config.Entries.FirstOrDefault(entry => entry.Key == key) is { } found && IsOn(found.Value))
                import.Notes.Add(new(found.KeyLocation, key, $"not carried over: {what}"));
        }
        var settings = config.Entries.Where(static entry => Carried.Contains(entry.Key)).ToArray();
        import.Comments.Add(settings.Length == 0
            ? "None of Quay's settings about artifact types is written, so its defaults hold."
            : "A layer type counts under its own config type only; semantics: quay-union reads the list as Quay up to 3.11 did.");
        return Nodes.Map(
            config.Location,
            ("default", Nodes.Text("allow", config.Location)),
            ("artifactTypes", new MappingNode(config.Location, [.. settings])));
    }

    private static bool IsOn(ConfigurationNode value) => value switch
    {
        ScalarNode scalar => !scalar.IsNull && !scalar.Value.Equals("false", StringComparison.OrdinalIgnoreCase),
        SequenceNode list => list.Items.Length > 0,
        _ => true,
    };
}
