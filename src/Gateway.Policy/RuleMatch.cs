namespace Gateway.Policy;

/// <summary>Whether a rule matches a repository, tag and stage. An absent list matches all.</summary>
internal static class RuleMatch
{
    /// <summary>
    /// Whether the rule's requirements are checked. A rule with tags is evaluated when a tag is bound or requested, not for a digest.
    /// </summary>
    public static bool Requires(RuleOptions rule, PolicyInput input) =>
        MatchesPlace(rule, input) && (input.Tag is not null || !NamesTags(rule));

    /// <summary>
    /// Whether repository, stage and tag match. A digest without a tag matches a rule with tags too, because a tag can follow.
    /// </summary>
    public static bool MatchesPlace(RuleOptions rule, PolicyInput input) =>
        (rule.Stages.IsEmpty || rule.Stages.Contains(input.Stage))
        && rule.IsAbout(input.Repository)
        && (input.Tag is not { } tag || MatchesTag(rule, tag));

    /// <summary>Whether the rule is only about some tags.</summary>
    public static bool NamesTags(RuleOptions rule) => !rule.IncludeTags.IsEmpty || !rule.ExcludeTags.IsEmpty;

    /// <summary>The patterns that matched, for people.</summary>
    public static string Describe(RuleOptions rule, PolicyInput input)
    {
        var repository = rule.Repositories.FirstOrDefault(pattern => Glob.IsMatch(pattern, input.Repository.Value)) ?? "**";
        if (input.Tag is not { } tag || rule.IncludeTags.IsEmpty) return $"repos {repository}";
        return $"repos {repository}, tags {rule.IncludeTags.First(pattern => Glob.IsMatch(pattern, tag.Value))}";
    }

    private static bool MatchesTag(RuleOptions rule, TagName tag) =>
        (rule.IncludeTags.IsEmpty || Glob.IsMatch(rule.IncludeTags, tag.Value)) && !Glob.IsMatch(rule.ExcludeTags, tag.Value);
}
