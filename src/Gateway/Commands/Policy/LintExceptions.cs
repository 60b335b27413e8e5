using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary>
/// Likely mistakes in exceptions. The loader already refuses exceptions without an end, of more than 90 days, or for everything.
/// </summary>
internal static class LintExceptions
{
    private static readonly TimeSpan Soon = TimeSpan.FromDays(7);

    public static IEnumerable<LintFinding> Of(PolicyOptions policy, DateTimeOffset now) =>
        policy.Exceptions.Index().SelectMany(one => Of(one.Item, $"policy.exceptions[{one.Index}]", policy, now));

    private static IEnumerable<LintFinding> Of(ExceptionOptions exception, string path, PolicyOptions policy, DateTimeOffset now)
    {
        var day = Moments.Day(exception.Until);
        if (exception.Until <= now)
            yield return new($"{path}.until", "EXCEPTION_OVER", $"has no effect since {day}", "remove the exception");
        else if (exception.Until - now < Soon)
            yield return new(
                $"{path}.until", "EXCEPTION_ENDS_SOON", $"the rule applies again from {day}",
                "make the excepted content satisfy the rule by then");
        if (policy.Rules.FirstOrDefault(rule => rule.Id == exception.Rule) is not { } rule) yield break;
        if (exception.Digests.IsEmpty && GlobReach.Covers(exception.Repositories, [.. rule.Repositories.DefaultIfEmpty("**")]))
            yield return new(
                $"{path}.repos", "EXCEPTION_WHOLE_RULE", $"lifts rule '{rule.Id}' everywhere",
                "list fewer repositories, or add digests; or set the rule's mode to audit");
        if (!GlobReach.CanMeet(exception.Repositories, rule.Repositories))
            yield return new(
                $"{path}.repos", "EXCEPTION_NEVER", $"rule '{rule.Id}' matches none of these repositories",
                "list repositories that the rule matches");
        if (rule.Mode == RuleMode.Audit)
            yield return new(
                $"{path}.rule", "EXCEPTION_NEVER", $"rule '{rule.Id}' only records, so the exception has no effect",
                "take the exception away");
    }
}
