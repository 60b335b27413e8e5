using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>
/// Imports ClusterImagePolicies of sigstore's policy-controller (policy.sigstore.dev). In both systems every matching policy must be
/// satisfied. Within one policy any authority is sufficient, which gateway.yaml can express only for keys.
/// </summary>
internal sealed class CipImport(Import import, string trustedRoot)
{
    private const string Group = "policy.sigstore.dev/";

    private readonly CipTrust _trust = new(import, trustedRoot);
    private readonly List<ConfigurationNode> _rules = [];

    /// <summary>The <c>policy</c> section.</summary>
    public MappingNode? Read(IReadOnlyList<ConfigurationNode> documents)
    {
        foreach (var document in documents) ReadDocument(document);
        if (_rules.Count == 0)
        {
            if (import.Refusals.Count == 0) import.Refuse(documents[0], "", $"expected a ClusterImagePolicy of {Group}, got none");
            return null;
        }
        var at = documents[0].Location;
        import.Comments.Add("default: deny stands for policy-controller's no-match-policy: deny; write allow if your cluster uses that.");
        _rules.Add(ImportedRules.AdmitEvidence(at));
        return Nodes.Map(at, ("default", Nodes.Text("deny", at)), ("trust", _trust.ToNode(at)), ("rules", Nodes.List(at, _rules)));
    }

    private void ReadDocument(ConfigurationNode document)
    {
        if (document is ScalarNode { IsNull: true }) return;
        if (document is not MappingNode item) import.Refuse(document, "", $"expected a Kubernetes object, got {document.Kind}");
        else if (item.TextOf("kind") == "List") foreach (var each in item.ItemsOf("items")) ReadDocument(each);
        else if (item.TextOf("kind") != "ClusterImagePolicy")
            import.Note(item, "kind", $"{item.TextOf("kind") ?? "an object without kind"} is not imported, only ClusterImagePolicy is");
        else if (item.TextOf("apiVersion") is not (Group + "v1alpha1" or Group + "v1beta1"))
            import.Refuse(item.Find("apiVersion") ?? item, "apiVersion", $"expected {Group}v1alpha1 or {Group}v1beta1");
        else if ((item.Find("metadata") as MappingNode)?.TextOf("name") is not { } name || item.Find("spec") is not MappingNode spec)
            import.Refuse(item, "", "expected metadata.name and spec");
        else ReadPolicy(name, spec);
    }

    private void ReadPolicy(string name, MappingNode spec)
    {
        ImportedRules.RefuseUnknown(import, spec, "spec", ["images", "authorities", "match", "mode", "policy"]);
        if (spec.Find("policy") is { } policy)
            import.Refuse(policy, "spec.policy", $"{name} requires a program (CUE or Rego), which is not supported");
        if (spec.Find("match") is { } match)
            import.Note(
                match, "spec.match",
                $"{name} applies to some Kubernetes resources only; the rule applies to every pull, which is stricter");
        var choice = _trust.Read(name, spec);
        if (choice is null) return;
        if (Repositories(spec, choice is CipChoice.Pass) is not { } repositories) return;
        _rules.Add(Nodes.Map(
            spec.Location,
            ("id", Nodes.Text(name, spec.Location)),
            ("match", Nodes.Map(spec.Location, ("repos", repositories))),
            ("require", Require(choice, spec.Location)),
            ("mode", ModeOf(name, spec, choice)),
            ("onMissing", choice is CipChoice.Of && spec.TextOf("mode") != "warn" ? Nodes.Text("quarantine", spec.Location) : null),
            ("fix", choice is CipChoice.Fail { Message: { Length: > 0 } message } ? Nodes.Text(OneLine(message), spec.Location) : null)));
    }

    private ScalarNode? ModeOf(string name, MappingNode spec, CipChoice choice)
    {
        if (choice is CipChoice.Pass) return Nodes.Text("audit", spec.Location);
        if (spec.Find("mode") is not { } mode || spec.TextOf("mode") is "enforce" or null) return null;
        if (spec.TextOf("mode") == "warn") return Nodes.Text("warn", mode.Location);
        import.Refuse(mode, "spec.mode", $"expected enforce or warn in {name}");
        return null;
    }

    private static MappingNode Require(CipChoice choice, SourceLocation at) => choice switch
    {
        CipChoice.Of of => of.Require,
        CipChoice.Fail => Nodes.Map(at, ("annotations", Nodes.Map(
            at, ("gateway.static.fail", Nodes.Map(at, ("regex", Nodes.Text(@"[^\s\S]", at))))))),
        _ => ImportedRules.RequireNothing(at),
    };

    private SequenceNode? Repositories(MappingNode spec, bool mustBeExact)
    {
        var globs = new List<ConfigurationNode>();
        var before = import.Refusals.Count;
        foreach (var image in spec.ItemsOf("images"))
        {
            if (image is MappingNode { Entries: [{ Key: "glob", Value: ScalarNode { IsNull: false } glob }] })
                globs.Add(Nodes.Text(Repository(glob, mustBeExact), glob.Location));
            else import.Refuse(image, "spec.images", "expected glob and no other key");
        }
        if (globs.Count == 0 && import.Refusals.Count == before) import.Refuse(spec, "spec.images", "expected images, each with a glob");
        return import.Refusals.Count > before ? null : Nodes.List(spec.Find("images")!.Location, globs);
    }

    /// <summary>The repository name for a glob over image references: without tag or digest, docker.io for Docker Hub.</summary>
    private string Repository(ScalarNode glob, bool mustBeExact)
    {
        var text = glob.Value switch { "*" => "index.docker.io/library/*", "*/*" => "index.docker.io/*/*", var other => other };
        var name = text.Split('@')[0];
        var colon = name.IndexOf(':', name.LastIndexOf('/') + 1);
        if (colon >= 0) name = name[..colon];
        if (name != text && mustBeExact)
            import.Refuse(glob, "spec.images", $"'{text}' admits some tags or digests; a rule for all of them would be weaker");
        else if (name != text && text[name.Length..] is not (":*" or ":**" or "@*" or "@**"))
            import.Note(glob, "spec.images", $"'{text}' becomes '{name}', for every tag and digest, which is stricter");
        if (name.StartsWith("index.docker.io/", StringComparison.Ordinal)) name = name["index.".Length..];
        ImportedRules.CheckHost(import, glob, "spec.images", name);
        return name;
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ").Trim();
}
