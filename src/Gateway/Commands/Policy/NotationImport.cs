using Gateway.Configuration;
using Gateway.Oci;

namespace Gateway.Commands.Policy;

/// <summary>
/// Reads a trust policy of Notation (trustpolicy.json, version 1.0). Its signatures are stored and listed here, but not verified: a rule
/// that stood for it would be satisfied by nothing, or by anything.
/// </summary>
internal static class NotationImport
{
    /// <summary>Always null: it is refused, by the name of each policy and its scopes.</summary>
    public static MappingNode? Read(ConfigurationNode document, Import import)
    {
        if (document is not MappingNode file || file.Find("trustPolicies") is not SequenceNode policies)
        {
            import.Refuse(document, "", "expected a trustpolicy.json with trustPolicies");
            return null;
        }
        var scopes = string.Join("; ", policies.Items.OfType<MappingNode>().Select(Describe));
        import.Refuse(
            policies, "trustPolicies",
            "this version stores and lists Notation signatures and does not verify them, so that nothing is carried over for "
            + $"{scopes}; sign with cosign and write policy.rules for these repositories");
        return null;
    }

    private static string Describe(MappingNode policy)
    {
        var scopes = policy.ItemsOf("registryScopes").OfType<ScalarNode>().Select(static scope => scope.Value);
        return Printable.Line($"{policy.TextOf("name") ?? "(unnamed)"} ({string.Join(", ", scopes)})", 200);
    }
}
