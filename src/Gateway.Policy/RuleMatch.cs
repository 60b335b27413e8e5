using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>Whether a rule is asked of an input. A list that is left out matches all.</summary>
internal static class RuleMatch
{
    /// <summary>
    /// Whether the rule's requirements are checked for a manifest of this kind; a rule that names tags is asked when a tag is bound or
    /// asked for.
    /// </summary>
    public static bool Requires(RuleOptions rule, PolicyInput input, ManifestKind kind) =>
        Covers(rule, input, kind) && (input.Tag is not null || !NamesTags(rule));

    /// <summary>
    /// Whether the rule keeps the policy's default away: also from a digest without a tag, of which a rule that names tags speaks later.
    /// The artifact type binds evidence too, whatever kinds the rule names.
    /// </summary>
    public static bool Covers(RuleOptions rule, PolicyInput input, ManifestKind kind) =>
        MatchesPlace(rule, input) && (rule.Kinds.Contains(kind) || (rule.RequireArtifactTypes && kind == ManifestKind.Evidence));

    private static bool MatchesPlace(RuleOptions rule, PolicyInput input) =>
        (rule.Stages.IsEmpty || rule.Stages.Contains(input.Stage))
        && (rule.Repositories.IsEmpty || Glob.IsMatch(rule.Repositories, input.Repository.Value))
        && (input.Tag is not { } tag || MatchesTag(rule, tag));

    private static bool MatchesTag(RuleOptions rule, TagName tag) =>
        (rule.IncludeTags.IsEmpty || Glob.IsMatch(rule.IncludeTags, tag.Value)) && !Glob.IsMatch(rule.ExcludeTags, tag.Value);

    private static bool NamesTags(RuleOptions rule) => !rule.IncludeTags.IsEmpty || !rule.ExcludeTags.IsEmpty;
}
