using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>Whether a rule is about a place: a repository, a tag, a stage. A list that is left out matches all.</summary>
internal static class RuleMatch
{
    /// <summary>
    /// Whether the rule's requirements are checked; a rule that names tags is asked when a tag is bound or asked for, and not of a digest.
    /// </summary>
    public static bool Requires(RuleOptions rule, PolicyInput input) =>
        MatchesPlace(rule, input) && (input.Tag is not null || !NamesTags(rule));

    /// <summary>
    /// Whether repository, stage and tag match. A digest without a tag matches a rule that names tags too: it speaks of it later.
    /// </summary>
    public static bool MatchesPlace(RuleOptions rule, PolicyInput input) =>
        (rule.Stages.IsEmpty || rule.Stages.Contains(input.Stage))
        && rule.IsAbout(input.Repository)
        && (input.Tag is not { } tag || MatchesTag(rule, tag));

    /// <summary>Whether the rule is about some tags only.</summary>
    public static bool NamesTags(RuleOptions rule) => !rule.IncludeTags.IsEmpty || !rule.ExcludeTags.IsEmpty;

    /// <summary>The patterns that matched, as a person reads them.</summary>
    public static string Describe(RuleOptions rule, PolicyInput input)
    {
        var repository = rule.Repositories.FirstOrDefault(pattern => Glob.IsMatch(pattern, input.Repository.Value)) ?? "**";
        if (input.Tag is not { } tag || rule.IncludeTags.IsEmpty) return $"repos {repository}";
        return $"repos {repository}, tags {rule.IncludeTags.First(pattern => Glob.IsMatch(pattern, tag.Value))}";
    }

    private static bool MatchesTag(RuleOptions rule, TagName tag) =>
        (rule.IncludeTags.IsEmpty || Glob.IsMatch(rule.IncludeTags, tag.Value)) && !Glob.IsMatch(rule.ExcludeTags, tag.Value);
}
