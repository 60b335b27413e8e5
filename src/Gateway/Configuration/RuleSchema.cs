using System.Collections.Immutable;
using Gateway.Policy;

namespace Gateway.Configuration;

/// <summary>One item of <c>policy.rules</c>: what it is about, and how its outcome counts.</summary>
internal static class RuleSchema
{
    private static readonly Section<RuleOptions> TagPatterns = new(() => new() { Id = "" })
    {
        { "include", new ListOf<string>(Scalars.Glob), "(all)", "Tags, as patterns.", (o, v) => o with { IncludeTags = v } },
        { "exclude", new ListOf<string>(Scalars.Glob), "[]", "Tags that are left out again.", (o, v) => o with { ExcludeTags = v } },
    };

    private static readonly Section<RuleOptions> Match = new(() => new() { Id = "" })
    {
        {
            "repos", new ListOf<string>(Scalars.Glob), "(all)",
            "Repositories, as patterns over the whole name.", (o, v) => o with { Repositories = v }
        },
        {
            "exceptRepos", new ListOf<string>(Scalars.Glob), "[]", "Repositories that are left out again.",
            (o, v) => o with { ExceptRepositories = v }
        },
        {
            "tags", TagPatterns, "(all)",
            "Binds the rule to tags.", (o, v) => o with { IncludeTags = v.IncludeTags, ExcludeTags = v.ExcludeTags }
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
            "(all)", "When the rule is asked.", (o, v) => o with { Stages = v }
        },
    };

    public static readonly Section<RuleOptions> Rule = new(() => new() { Id = "" }, CheckRule)
    {
        { "id", Scalars.Text, new Required(), "The rule's name in decisions.", (o, v) => o with { Id = v } },
        {
            "match", Match, "(everything but evidence)", "What the rule is about.",
            (o, v) => o with
            {
                Repositories = v.Repositories, ExceptRepositories = v.ExceptRepositories, IncludeTags = v.IncludeTags,
                ExcludeTags = v.ExcludeTags, Kinds = v.Kinds, Stages = v.Stages,
            }
        },
        { "require", RequireSchema.Require, new Required(), "What must hold: all of it.", (o, v) => o with { Require = v } },
        {
            "mode", Scalars.OneOf(("enforce", RuleMode.Enforce), ("warn", RuleMode.Warn), ("audit", RuleMode.Audit)), "enforce",
            "`warn` admits and tells the client, `audit` admits and records.", (o, v) => o with { Mode = v }
        },
        {
            "onMissing", Scalars.OneOf(("deny", OnMissing.Deny), ("quarantine", OnMissing.Quarantine), ("warn", OnMissing.Warn)), "deny",
            "What a lack of signatures, attestations or age comes to; `quarantine` keeps a push until it is mended.",
            (o, v) => o with { OnMissing = v }
        },
        { "fix", Scalars.Text, "(our own words)", "What to tell the person who is refused.", (o, v) => o with { Fix = v } },
    };

    private static Scalar<ManifestKind> Kind => Scalars.OneOf(
        ("image", ManifestKind.Image), ("index", ManifestKind.Index),
        ("artifact", ManifestKind.Artifact), ("evidence", ManifestKind.Evidence));

    private static void CheckRule(RuleOptions rule, string path, Reading reading)
    {
        var require = Reading.Join(path, "require");
        if (rule.Require.IsEmpty) reading.Add(require, "requires nothing; expected a requirement such as artifactTypes: true");
        if (rule.Kinds.IsEmpty) reading.Add($"{path}.match.kinds", "names no kind; leave it out for image, index and artifact");
        if (rule.Require.TagMutability != TagMutability.Mutable && rule.Stages is [Stage.Pull])
            reading.Add($"{require}.tagMutability", "is asked where a tag is bound; expected another stage than pull");
    }
}
