using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>One identity of a keyless authority, as <c>issuer</c> and <c>subject</c> of an authority of gateway.yaml.</summary>
internal static class CipIdentity
{
    /// <summary>Null if no authority of gateway.yaml can express it; the list then has the reason.</summary>
    public static MappingNode? Read(ConfigurationNode node, string path, List<ConfigurationMistake> lost, Import import)
    {
        var before = lost.Count;
        if (node is not MappingNode identity)
        {
            lost.Add(new(node.Location, path, $"expected issuer and subject, got {node.Kind}"));
            return null;
        }
        var issuer = One(identity, "issuer", path, lost, import);
        var subject = One(identity, "subject", path, lost, import);
        if (issuer is MappingNode pattern)
        {
            lost.Add(new(pattern.Location, $"{path}.issuerRegExp", "issuers are compared exactly; write issuer"));
            return null;
        }
        return lost.Count == before ? Nodes.Map(node.Location, ("issuer", issuer), ("subject", subject)) : null;
    }

    // A text, or { pattern: … }.
    private static ConfigurationNode? One(
        MappingNode identity, string key, string path, List<ConfigurationMistake> lost, Import import)
    {
        var (exact, regex) = (identity.TextOf(key), identity.TextOf($"{key}RegExp"));
        if (exact is null == regex is null)
        {
            lost.Add(new(
                identity.Location, $"{path}.{key}", $"expected {key} or {key}RegExp, got neither; otherwise strangers could sign"));
            return null;
        }
        if (exact is not null) return Nodes.Text(exact, identity.Find(key)!.Location);
        var at = identity.Find($"{key}RegExp")!;
        if (SubjectGlob.Of(regex!) is not { } glob)
        {
            lost.Add(new(
                at.Location, $"{path}.{key}RegExp", $"'{regex}' cannot be written as a glob; write {key}, or a glob in policy.trust"));
            return null;
        }
        if (glob.IsNarrower)
            import.Note(at, $"{path}.{key}RegExp", $"'{regex}' becomes '{glob.Glob}', over the whole {key}, which is stricter");
        return glob.IsExact ? Nodes.Text(glob.Glob, at.Location) : Nodes.Map(at.Location, ("pattern", Nodes.Text(glob.Glob, at.Location)));
    }
}
