using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Operations;

/// <summary>
/// Evaluates stored content by a policy, in a dry run: with the code that evaluates live requests, on the stored part of each repository.
/// It asks no upstream, decides nothing and records nothing.
/// </summary>
internal sealed class PolicyTrial
{
    public const string ExplainPath = "policy/explain";
    public const string DiffPath = "policy/diff";

    /// <summary>Names read from the catalog at a time; the catalog is locked meanwhile.</summary>
    private const int NamePage = 100;

    private readonly RepositoryRouter _router;
    private readonly Volume _volume;
    private readonly TimeProvider _clock;

    public PolicyTrial(GatewayOptions options, PolicyOptions? policy, Volume volume, DateTimeOffset? at)
    {
        (_volume, _clock) = (volume, at is { } moment ? new StoppedClock(moment) : TimeProvider.System);
        _router = StoredRouter.Of(options, policy, volume, _clock);
    }

    /// <summary>Answers a question with the policy in force, or with the policy of the question.</summary>
    public static async Task<PolicyExplained> ExplainAsync(
        GatewayOptions options, Volume volume, PolicyQuestion question, CancellationToken cancellationToken)
    {
        var (policy, problem) = question.Policy?.Read() ?? (options.Policy, null);
        if (problem is not null) return new(null, problem);
        if (new Decisions(volume.DecisionRing).Find(question.Reference) is { } recorded)
            return new(null, null) { Decision = Encoding.UTF8.GetString(recorded.Json) };
        if (ImageReference.Parse(question.Reference) is not { Reference: var what } image)
            return new(
                null,
                "expected repository:tag, repository@digest, or the id of a stored decision, "
                + $"got {Printable.Quote(question.Reference)}");
        if (StageOf(question.Stage) is not { } stage)
            return new(null, $"expected a stage such as push, tag or pull, got {Printable.Quote(question.Stage)}");
        var trial = new PolicyTrial(options, policy, volume, question.At);
        // As a path, which is the canonical name; otherwise as clients write it with the registry.
        Routed?[] names = [trial._router.FindHere(image), trial._router.Find(image)];
        Routed[] meant = [.. names.OfType<Routed>().Where(routed => routed.Repository is not null)];
        foreach (var routed in meant)
        {
            if (await routed.Repository!.DryRun.ExplainAsync(what, stage, cancellationToken) is not { } explained) continue;
            return new(Describe(routed.CanonicalName, what, stage, explained, trial._clock.GetUtcNow()) with
            {
                Rights = question.As is { } actor ? RightsOf(options, actor, routed.CanonicalName) : null,
            }, null);
        }
        return new(null, meant.Length == 0
            ? $"expected a repository of this gateway, got {image.Name} without a route"
            : $"{image.Name} has no {what} here; push or pull it first. For refused content, give the id of the decision");
    }

    /// <summary>Each stored tag that the new policy evaluates differently from the old one at a pull, as it is found.</summary>
    public static async IAsyncEnumerable<PolicyChange> DiffAsync(
        GatewayOptions options, Volume volume, PolicyComparison comparison, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var now = TimeProvider.System.GetUtcNow();
        var old = new PolicyTrial(options, comparison.Old.Read().Policy, volume, now);
        var @new = new PolicyTrial(options, comparison.New.Read().Policy, volume, now);
        await Task.Yield();
        foreach (var routed in old.All(cancellationToken))
        {
            var other = @new._router.Route(routed.CanonicalName).Repository;
            if (routed.Repository is not { } repository || other is null) continue;
            await foreach (var tag in repository.DryRun.TagsAsync(cancellationToken))
            {
                if (await repository.DryRun.ExplainAsync(new(tag), Stage.Pull, cancellationToken) is not { } before) continue;
                if (await other.DryRun.ExplainAsync(new(tag), Stage.Pull, cancellationToken) is not { } after) continue;
                if (before.Verdict.Outcome == after.Verdict.Outcome) continue;
                var worse = before.Verdict.Outcome > after.Verdict.Outcome ? before.Verdict : after.Verdict;
                yield return new(
                    repository.Name.Value, tag.Value, after.Digest.ToString(), Name(before.Verdict.Outcome), Name(after.Verdict.Outcome),
                    [.. worse.Reasons.Take(3).Select(Answer)]);
            }
        }
    }

    // Pushed content, then cached content of the configured upstreams.
    private IEnumerable<Routed> All(CancellationToken cancellationToken)
    {
        for (string? last = null; ;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var page = _volume.PushedAfter(last, NamePage);
            foreach (var name in page.Items)
            {
                if (_router.Route(name) is { Source: null } routed) yield return routed;
            }
            if (!page.More) break;
            last = page.Items[^1].Value;
        }
        foreach (var cached in _volume.CachedRepositories.All())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_router.UpstreamOf(cached.Upstream) is { } upstream && _router.Of(upstream, cached.Name) is { } routed) yield return routed;
        }
    }

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

    private static AgeAnswer Answer(AttestedAge age) => new(
        age.Manifest.ToString(), age.SignedAt, age.By, age.Subject.ToString(), age.Evidence.ToString());

    internal static ReasonAnswer Answer(Reason reason) => new(
        reason.Code, reason.Message, Name(reason.Outcome), reason.Path, reason.Expected, reason.Found);

    internal static EvidenceAnswer Answer(EvidenceSeen seen) => new(
        seen.Subject.ToString(), seen.Digest.ToString(), seen.Kind, seen.Format, seen.Authority, seen.Verified, seen.Code, seen.Why);

    // By the account's name in access rules; no password is needed.
    private static RightsAnswer RightsOf(GatewayOptions options, string actor, RepositoryName name)
    {
        var access = new AccessControl(options.Access, TimeProvider.System, NullLogger<AccessControl>.Instance);
        Identity identity = actor == Caller.Anonymous ? Identity.Anonymous.Instance : new Identity.Known(actor);
        var caller = access.For(identity, name);
        return new(actor, caller.MayPull, caller.MayPush);
    }

    /// <summary>A stage by its name in the configuration; null if there is no such stage.</summary>
    public static Stage? StageOf(string name) =>
        Enum.GetValues<Stage>().Select(static stage => (Stage?)stage).FirstOrDefault(stage => Name(stage!.Value) == name);

    // As the file spells it.
    internal static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    /// <summary>A clock with a fixed time; its timers run.</summary>
    private sealed class StoppedClock(DateTimeOffset at) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => at;
    }
}
