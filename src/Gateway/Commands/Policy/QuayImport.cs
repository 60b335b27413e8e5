using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>
/// Imports the artifact type settings of a config.yaml of Red Hat Quay. Its other settings do not concern the policy.
/// </summary>
internal static class QuayImport
{
    private static readonly string[] Carried = ["FEATURE_GENERAL_OCI_SUPPORT", "FEATURE_HELM_OCI_SUPPORT", "ALLOWED_OCI_ARTIFACT_TYPES"];

    // Settings that change the meaning of the settings above, each with its effect in Quay's code.
    private static readonly (string Key, string What)[] Beside =
    [
        ("IGNORE_UNKNOWN_MEDIATYPES", "with it Quay 3.9 to 3.11 accepts every type; the gateway enforces the list, which is stricter "
            + "(semantics: quay-off enforces nothing)"),
        ("OCI_NAMESPACE_WHITELIST", "namespaces that FEATURE_GENERAL_OCI_SUPPORT does not disable; here it applies everywhere, which is "
            + "stricter"),
        ("V22_NAMESPACE_BLACKLIST", "namespaces where Quay accepts neither Docker nor OCI documents; remove the push right there by "
            + "access.rules"),
    ];

    /// <summary>The <c>policy</c> section.</summary>
    public static MappingNode? Read(ConfigurationNode document, Import import)
    {
        if (document is not MappingNode config)
        {
            import.Refuse(document, "", $"expected Quay's config.yaml, a section with keys, got {document.Kind}");
            return null;
        }
        foreach (var (key, what) in Beside)
        {
            if (config.Entries.FirstOrDefault(entry => entry.Key == key) is { } found && IsOn(found.Value))
                import.Notes.Add(new(found.KeyLocation, key, $"not imported: {what}"));
        }
        var settings = config.Entries.Where(static entry => Carried.Contains(entry.Key)).ToArray();
        import.Comments.Add(settings.Length == 0
            ? "None of Quay's artifact type settings is present, so its defaults apply."
            : "A layer type counts under its own config type only; semantics: quay-union reads the list as Quay up to 3.11.");
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
