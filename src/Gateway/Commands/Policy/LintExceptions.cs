using Gateway.Oci;
using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary>
/// What is likely wrong with exceptions. One without an end, of more than 90 days, or for everything is no policy at all: the loader
/// refuses it.
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
            yield return new($"{path}.until", "EXCEPTION_OVER", $"lifts nothing since {day}", "take the exception away");
        else if (exception.Until - now < Soon)
            yield return new(
                $"{path}.until", "EXCEPTION_ENDS_SOON", $"the rule holds again from {day}",
                "see that what it excepts satisfies the rule by then");
        if (policy.Rules.FirstOrDefault(rule => rule.Id == exception.Rule) is not { } rule) yield break;
        if (exception.Digests.IsEmpty && GlobReach.Covers(exception.Repositories, [.. rule.Repositories.DefaultIfEmpty("**")]))
            yield return new(
                $"{path}.repos", "EXCEPTION_WHOLE_RULE", $"lifts rule '{rule.Id}' everywhere it holds",
                "name fewer repositories, or digests; or set the rule's mode to audit");
        if (!GlobReach.CanMeet(exception.Repositories, rule.Repositories))
            yield return new(
                $"{path}.repos", "EXCEPTION_NEVER", $"rule '{rule.Id}' is about none of these repositories",
                "name repositories that the rule matches");
        if (rule.Mode == RuleMode.Audit)
            yield return new(
                $"{path}.rule", "EXCEPTION_NEVER", $"rule '{rule.Id}' only records, so there is nothing to lift",
                "take the exception away");
    }
}
