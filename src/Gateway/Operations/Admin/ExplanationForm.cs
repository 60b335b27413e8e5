using System.Globalization;
using System.Text.Json;
using Gateway.Policy;
using Gateway.Repositories;

namespace Gateway.Operations;

/// <summary>Verdicts and their reasons in the form that clients and operators get.</summary>
internal static class ExplanationForm
{
    /// <summary>An explanation in the form for clients of both ports.</summary>
    public static PolicyAnswer Describe(RepositoryName name, Reference what, Stage stage, Explanation explained, DateTimeOffset now)
    {
        var verdict = explained.Verdict;
        return new(
            name.Value, what.ToString(), explained.Digest.ToString(), Name(stage), now,
            Name(verdict.BeforeModes > verdict.Outcome ? verdict.BeforeModes : verdict.Outcome), Name(verdict.Outcome),
            verdict.Revision.ToString("x16", CultureInfo.InvariantCulture),
            what.IsDigest ? "stored" : explained.Held is null ? "live" : "pending",
            explained.Live.IsEmpty ? null : explained.Live.ToString(), explained.Held?.Expires, verdict.Until, null,
            [.. verdict.Rules.Select(Answer)], [.. verdict.Evidence.Select(Answer)], [.. verdict.ExceptionsUsed]);
    }

    internal static RuleAnswer Answer(RuleVerdict rule) => new(
        rule.Id, rule.MatchedBy, Name(rule.Outcome), Name(rule.Effective), [.. rule.Reasons.Select(Answer)], rule.Fix,
        [.. rule.Ages.Select(Answer)]);

    internal static AgeAnswer Answer(AttestedAge age) => new(
        age.Manifest.ToString(), age.SignedAt, age.By, age.Subject.ToString(), age.Evidence.ToString());

    internal static ReasonAnswer Answer(Reason reason) => new(
        reason.Code, reason.Message, Name(reason.Outcome), reason.Path, reason.Expected, reason.Found);

    internal static EvidenceAnswer Answer(EvidenceSeen seen) => new(
        seen.Subject.ToString(), seen.Digest.ToString(), seen.Kind, seen.Format, seen.Authority, seen.Verified, seen.Code, seen.Why);

    /// <summary>A stage by its name in the configuration; null if there is no such stage.</summary>
    public static Stage? StageOf(string name) =>
        Enum.GetValues<Stage>().Select(static stage => (Stage?)stage).FirstOrDefault(stage => Name(stage!.Value) == name);

    // As the file spells it.
    internal static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
