using System.Collections.Immutable;
using Gateway.Policy;

namespace Gateway.Configuration;

/// <summary>One item of <c>policy.rules</c>: what it matches, what it requires, and how its outcome counts.</summary>
internal static class RuleSchema
{
    private static readonly Section<RuleOptions> TagPatterns = new(() => new() { Id = "" })
    {
        { "include", new ListOf<string>(Scalars.Glob), "(all)", "Tags, as patterns.", (o, v) => o with { IncludeTags = v } },
        { "exclude", new ListOf<string>(Scalars.Glob), "[]", "Excluded tags, as patterns.", (o, v) => o with { ExcludeTags = v } },
    };

    private static readonly Section<RuleOptions> Match = new(() => new() { Id = "" })
    {
        {
            "repos", new ListOf<string>(Scalars.Glob), "(all)",
            "Repositories, as patterns over the whole name.", (o, v) => o with { Repositories = v }
        },
        {
            "exceptRepos", new ListOf<string>(Scalars.Glob), "[]", "Excluded repositories, as patterns.",
            (o, v) => o with { ExceptRepositories = v }
        },
        {
            "tags", TagPatterns, "(all)",
            "Limits the rule to tags.", (o, v) => o with { IncludeTags = v.IncludeTags, ExcludeTags = v.ExcludeTags }
        },
        { "kinds", new ListOf<ManifestKind>(Kind), "[image, index, artifact]", "Kinds of manifests.", (o, v) => o with { Kinds = v } },
        {
            "stages",
            new ListOf<Stage>(Scalars.OneOf(
                ("push", Stage.Push),
                ("proxyFetch", Stage.ProxyFetch),
                ("tag", Stage.Tag),
                ("pull", Stage.Pull),
                ("promote", Stage.Promote))),
            "(all)", "When the rule is evaluated.", (o, v) => o with { Stages = v }
        },
    };

    public static readonly Section<RuleOptions> Rule = new(() => new() { Id = "" }, CheckRule)
    {
        { "id", Scalars.Text, new Required(), "The rule's name in decisions.", (o, v) => o with { Id = v } },
        {
            "match", Match, "(everything but evidence)", "What the rule applies to.",
            (o, v) => o with
            {
                Repositories = v.Repositories, ExceptRepositories = v.ExceptRepositories, IncludeTags = v.IncludeTags,
                ExcludeTags = v.ExcludeTags, Kinds = v.Kinds, Stages = v.Stages,
            }
        },
        { "require", RequireSchema.Require, new Required(), "Requirements; all of them must be met.", (o, v) => o with { Require = v } },
        {
            "mode", Scalars.OneOf(("enforce", RuleMode.Enforce), ("warn", RuleMode.Warn), ("audit", RuleMode.Audit)), "enforce",
            "`warn` admits and tells the client, `audit` admits and records.", (o, v) => o with { Mode = v }
        },
        {
            "onMissing", Scalars.OneOf(("deny", OnMissing.Deny), ("quarantine", OnMissing.Quarantine), ("warn", OnMissing.Warn)), "deny",
            "Outcome if signatures, attestations or age are missing; `quarantine` holds a push until they are there.",
            (o, v) => o with { OnMissing = v }
        },
        { "fix", Scalars.Text, "(the gateway's advice)", "Advice in the refusal.", (o, v) => o with { Fix = v } },
    };

    private static Scalar<ManifestKind> Kind => Scalars.OneOf(
        ("image", ManifestKind.Image), ("index", ManifestKind.Index),
        ("artifact", ManifestKind.Artifact), ("evidence", ManifestKind.Evidence));

    private static void CheckRule(RuleOptions rule, string path, Reading reading)
    {
        var require = Reading.Join(path, "require");
        if (rule.Require.IsEmpty) reading.Add(require, "expected a requirement such as artifactTypes: true, got none");
        if (rule.Kinds.IsEmpty)
            reading.Add($"{path}.match.kinds", "expected at least one kind, got none; remove it for image, index and artifact");
        if (rule.Require.TagMutability != TagMutability.Mutable && rule.Stages is [Stage.Pull])
            reading.Add($"{require}.tagMutability", "applies when a tag is bound; expected another stage than pull");
    }
}
