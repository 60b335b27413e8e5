using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>
/// Imports a trust policy of Notation (trustpolicy.json or trustpolicy.oci.json, version 1.0) with its trust store. In Notation one
/// statement applies to an artifact: the one with its repository, otherwise that of the scope <c>*</c>. In gateway.yaml every matching rule
/// applies, so the rule of <c>*</c> excludes the named repositories.
/// </summary>
/// <param name="import">Receives the messages of the import.</param>
/// <param name="store">The trust store's folder.</param>
/// <param name="host">The host name of this gateway; null for none.</param>
internal sealed class NotationImport(Import import, NotationTrustStore store, string? host)
{
    private const string Path = "trustPolicies";

    private static readonly string[] Keys = ["name", "registryScopes", "signatureVerification", "trustStores", "trustedIdentities"];

    private readonly List<MappingEntry> _stores = [];
    private readonly List<MappingEntry> _authorities = [];
    private readonly List<ConfigurationNode> _rules = [];

    /// <summary>The <c>policy</c> section; null after a reported fault.</summary>
    public MappingNode? Read(ConfigurationNode document)
    {
        if (document is not MappingNode file || file.Find(Path) is not SequenceNode { Items.IsEmpty: false } policies)
        {
            import.Refuse(document, "", "expected a trustpolicy.json with trustPolicies");
            return null;
        }
        ImportedRules.RefuseUnknown(import, file, "", ["version", Path]);
        if (file.TextOf("version") != "1.0") import.Refuse(file.Find("version") ?? file, "version", "expected 1.0");
        var statements = policies.Items.Select(ReadStatement).OfType<Statement>().ToList();
        CheckTogether(statements);
        var named = statements.SelectMany(static one => one.Scopes.Where(static scope => scope.Value != "*")).ToList();
        foreach (var statement in statements) Add(statement, named);
        var at = document.Location;
        import.Comments.Add("default: deny stands for artifacts that no statement of Notation covers.");
        _rules.Add(ImportedRules.AdmitEvidence(at));
        return Nodes.Map(
            at, ("default", Nodes.Text("deny", at)),
            ("trust", _authorities.Count == 0 ? null : Nodes.Map(
                at, ("notation", new MappingNode(at, [.. _stores])), ("authorities", new MappingNode(at, [.. _authorities])))),
            ("rules", Nodes.List(at, _rules)));
    }

    private sealed record Statement(string Name, string Level, MappingNode Node, IReadOnlyList<ScalarNode> Scopes);

    private Statement? ReadStatement(ConfigurationNode node)
    {
        if (node is not MappingNode statement || statement.TextOf("name") is not { Length: > 0 } name
            || (statement.Find("signatureVerification") as MappingNode)?.TextOf("level") is not { } level)
        {
            import.Refuse(node, Path, "expected a statement with name and signatureVerification.level");
            return null;
        }
        ImportedRules.RefuseUnknown(import, statement, Path, Keys);
        var scopes = statement.ItemsOf("registryScopes").OfType<ScalarNode>().ToList();
        if (scopes.Count == 0) import.Refuse(statement, $"{Path}.registryScopes", $"expected scopes in {Printable.Quote(name)}");
        if (scopes.Count > 1 && scopes.Exists(static scope => scope.Value.Contains('*', StringComparison.Ordinal)))
            import.Refuse(statement, $"{Path}.registryScopes", $"expected * alone in {Printable.Quote(name)}, without other patterns");
        return new(name, level, statement, [.. scopes.Select(ToRepository)]);
    }

    // Faults that notation itself refuses.
    private void CheckTogether(List<Statement> statements)
    {
        foreach (var same in statements.GroupBy(static one => one.Name).Where(static same => same.Count() > 1))
            import.Refuse(same.Last().Node, $"{Path}.name", $"{Printable.Quote(same.Key)} is already the name of an earlier statement");
        var scopes = statements.SelectMany(static one => one.Scopes).GroupBy(static one => one.Value);
        foreach (var same in scopes.Where(static same => same.Count() > 1))
            import.Refuse(same.Last(), $"{Path}.registryScopes", $"{Printable.Quote(same.Key)} is already a scope of an earlier statement");
        if (statements.Find(static one => one.Level == "skip" && one.Scopes.Any(static scope => scope.Value == "*")) is { } open)
            import.Refuse(open.Node, $"{Path}.signatureVerification.level", "expected another level than skip for the scope *");
    }

    private ScalarNode ToRepository(ScalarNode scope)
    {
        if (scope.Value == "*") return scope;
        if (host is not null && scope.Value.StartsWith(host + "/", StringComparison.Ordinal))
            return Nodes.Text(scope.Value[(host.Length + 1)..], scope.Location);
        ImportedRules.CheckHost(import, scope, $"{Path}.registryScopes", scope.Value);
        return scope;
    }

    private void Add(Statement statement, List<ScalarNode> named)
    {
        var (name, level, node, scopes) = statement;
        var at = node.Location;
        var isGlobal = scopes is [{ Value: "*" }];
        var repositories = isGlobal ? null : Nodes.List(at, scopes);
        var except = isGlobal && named.Count > 0 ? Nodes.List(at, named) : null;
        var match = Nodes.Map(at, ("repos", repositories), ("exceptRepos", except));
        var rule = Nodes.Text(name, at);
        if (level == "skip")
        {
            if (node.Find("trustStores") is not null || node.Find("trustedIdentities") is not null)
                import.Refuse(
                    node, Path, $"expected neither trustStores nor trustedIdentities in {Printable.Quote(name)}, whose level is skip");
            _rules.Add(Nodes.Map(
                at, ("id", rule), ("match", match), ("require", ImportedRules.RequireNothing(at)), ("mode", Nodes.Text("audit", at))));
            return;
        }
        AddAuthority(name, node);
        var signature = Nodes.Map(at, ("authority", Nodes.Text(name, at)));
        _rules.Add(Nodes.Map(
            at, ("id", rule), ("match", match.Entries.IsEmpty ? null : match),
            ("require", Nodes.Map(at, ("signatures", Nodes.List(at, [signature])))), ("onMissing", Nodes.Text("quarantine", at))));
    }

    private void AddAuthority(string name, MappingNode statement)
    {
        const string verification = "signatureVerification";
        var (at, how) = (statement.Location, (MappingNode)statement.Find(verification)!);
        ImportedRules.RefuseUnknown(import, how, $"{Path}.{verification}", ["level", "override", "verifyTimestamp"]);
        if (statement.Find("trustedIdentities") is null)
            import.Refuse(statement, $"{Path}.trustedIdentities", $"expected identities in {Printable.Quote(name)}");
        _stores.Add(new(name, at, store.Read(statement, import)));
        _authorities.Add(new(name, at, Nodes.Map(
            at, ("notation", Nodes.Text(name, at)), ("trustedIdentities", statement.Find("trustedIdentities")),
            ("level", how.Find("level")), ("override", how.Find("override")), ("verifyTimestamp", how.Find("verifyTimestamp")))));
    }
}
