using System.Globalization;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Repositories;

namespace Gateway.Operations.ReadModels;

/// <summary>The policy in force, and what it decided.</summary>
/// <param name="Revision">The number of the policy; null without a policy, when everything is admitted.</param>
/// <param name="Rules">The rules, in the order of the file.</param>
/// <param name="Default">The outcome for content that no rule is about.</param>
/// <param name="Refusals">The latest decisions that refused or warned and match, the latest first.</param>
/// <param name="Trial">The answer to a question; null for no question.</param>
public sealed record PolicyPage(
    string? Revision, IReadOnlyList<PolicyRuleRow> Rules, string Default, IReadOnlyList<RefusalRow> Refusals, string? Repository,
    TrialAnswer? Trial);

/// <param name="Matches">Which repositories, tags, kinds and stages it is about.</param>
/// <param name="Requires">What it requires.</param>
/// <param name="Warned">How often it was the reason of a warning, since the start.</param>
/// <param name="Refused">How often it was the reason why content is held or refused, since the start.</param>
public sealed record PolicyRuleRow(string Id, string Matches, string Requires, string Mode, string OnMissing, long Warned, long Refused);

/// <summary>The answer to "what would happen".</summary>
/// <param name="Outcome">The outcome with modes and exceptions; null when there is no answer.</param>
/// <param name="Problem">Why there is no answer; null when there is one.</param>
/// <param name="Rights">The rights of the account that was asked about; null for none.</param>
public sealed record TrialAnswer(
    string Reference, string Stage, string? As, string? Outcome, string? Digest, IReadOnlyList<RuleAnswer> Rules, string? Rights,
    string? Problem);

/// <summary>Makes the page of the policy.</summary>
internal sealed class PolicyPages(ConfigurationInForce inForce, Decisions decisions, Totals totals, PolicyTrial trial)
{
    private const int MostRefusals = 50;

    /// <param name="repository">Only refusals of repositories whose name contains this; null for all.</param>
    /// <param name="question">What to evaluate; null for nothing.</param>
    public async ValueTask<PolicyPage> ReadAsync(string? repository, PolicyQuestion? question, CancellationToken cancellationToken)
    {
        var options = inForce.Current;
        var policy = options.Policy;
        var refusals = decisions.Recent()
            .Where(each => repository is null || each.Repository.Value.Contains(repository, StringComparison.Ordinal));
        return new(
            policy is null ? null : new PolicyEngine(policy).Revision.ToString("x16", CultureInfo.InvariantCulture),
            [.. policy?.Rules.Select(RowOf) ?? []], policy is null ? "allow" : ExplanationForm.Name(policy.Default),
            [.. refusals.Take(MostRefusals).Select(OverviewPages.RowOf)], repository,
            question is null ? null : await TryAsync(options, question, cancellationToken));
    }

    private async ValueTask<TrialAnswer> TryAsync(GatewayOptions options, PolicyQuestion question, CancellationToken cancellationToken)
    {
        var explained = await trial.ExplainAsync(options, question, cancellationToken);
        var (answer, asked) = (explained.Answer, question.As);
        var rights = answer?.Rights is not { } r ? null
            : r.MayPush ? $"{r.Actor} may pull and push" : r.MayPull ? $"{r.Actor} may pull" : $"{r.Actor} may not pull";
        return new(
            question.Reference, question.Stage, asked, answer?.Effective, answer?.Digest, answer?.Rules ?? [], rights,
            explained.Problem ?? (answer is null ? "this is the id of a decision; open /-/decisions/ on a listener" : null));
    }

    private PolicyRuleRow RowOf(RuleOptions rule)
    {
        string[] matches =
        [
            rule.Repositories.IsEmpty ? "every repository" : string.Join(", ", rule.Repositories),
            .. rule.ExceptRepositories.IsEmpty ? Array.Empty<string>() : [$"except {string.Join(", ", rule.ExceptRepositories)}"],
            .. rule.IncludeTags.IsEmpty ? Array.Empty<string>() : [$"tags {string.Join(", ", rule.IncludeTags)}"],
            .. rule.Stages.IsEmpty ? Array.Empty<string>() : [$"at {string.Join(", ", rule.Stages.Select(ExplanationForm.Name))}"],
        ];
        var require = rule.Require;
        string[] requires =
        [
            .. require.Signatures.Select(static s => $"a signature by {s.Authority}"),
            .. require.Attestations.Select(static a => $"{a.PredicateType} by {a.Authority}"),
            .. require.ArtifactTypes ? ["an allowed type"] : Array.Empty<string>(),
            .. require.TagMutability == TagMutability.Mutable
                ? Array.Empty<string>() : [$"tags are {ExplanationForm.Name(require.TagMutability)}"],
        ];
        return new(
            rule.Id, string.Join("; ", matches), requires.Length == 0 ? "other properties" : string.Join("; ", requires),
            ExplanationForm.Name(rule.Mode), ExplanationForm.Name(rule.OnMissing),
            totals.Sum("gateway.policy.verdicts", (id, outcome) => id == rule.Id && outcome == "warn"),
            totals.Sum("gateway.policy.verdicts", (id, outcome) => id == rule.Id && outcome is not ("allow" or "warn")));
    }
}
