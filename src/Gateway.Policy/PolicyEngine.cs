using System.Text.Json;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>Evaluates the rules. Pure: the same input gives the same verdict. Safe for concurrent use.</summary>
public sealed class PolicyEngine
{
    /// <summary>Most characters of a reason's message. The caller adds the decision's id, and the total is limited too.</summary>
    public const int MaxMessage = Printable.MaxMessage - 30;

    /// <summary>Most reasons, and ages of a rule: an index can have thousands of refused children, and the first few suffice.</summary>
    internal const int MaxReasons = 16;

    // Most pieces of evidence in one verdict; people do not read more.
    private const int MaxEvidence = 64;

    private readonly EvidenceVerifier _verifier;
    private readonly ImmutableArray<Rule> _rules;
    private readonly ImmutableArray<Rule> _documents;
    private readonly ImmutableArray<ExceptionOptions> _exceptions;

    /// <summary>Makes an engine of a checked policy. Without a policy the same code admits everything.</summary>
    public PolicyEngine(PolicyOptions? policy)
    {
        Policy = policy;
        Revision = policy is null ? 0 : PolicyRevision.Of(policy);
        TrustRevision = policy is null ? 0 : PolicyRevision.Of(policy.Trust);
        _verifier = new(policy?.Trust ?? new());
        _rules = policy is null ? [] : Rules.Of(policy, _verifier);
        _documents = policy is null ? [] : Rules.OfDocuments(policy.Parser);
        _exceptions = policy?.Exceptions ?? [];
    }

    /// <summary>The policy; null when the file has no such section.</summary>
    public PolicyOptions? Policy { get; }

    /// <summary>First 8 bytes of SHA-256 over the canonical policy; 0 only without a policy.</summary>
    public ulong Revision { get; }

    /// <summary>The same over only the policy's trust. Every change of it changes <see cref="Revision"/> too.</summary>
    public ulong TrustRevision { get; }

    /// <summary>
    /// How many signatures this engine has verified: one for each signature and authority of an evaluation, however many rules, stages and
    /// tags need it.
    /// </summary>
    public long SignaturesVerified => _verifier.Verified;

    /// <summary>Whether every document is admitted, so that none needs to be read or evaluated.</summary>
    public bool AdmitsEverything => Policy is null;

    /// <summary>Limits of documents under this policy.</summary>
    public ManifestLimits Limits => Policy?.Parser.Limits ?? ManifestLimits.Plain;

    /// <summary>The facts that the rules need for this input. The facts of the input itself can be absent.</summary>
    public FactKinds Needs(PolicyInput input) =>
        _rules.Aggregate(_rules.Any(rule => HasExcepted(rule, input)) ? FactKinds.Above : FactKinds.None, (needs, rule) =>
            needs | rule.Needs(input));

    // An exception for an index is also one for what is below it, because clients request that by digest.
    private bool HasExcepted(Rule rule, PolicyInput input) =>
        _exceptions.Any(e => e.Rule == rule.Options.Id && !e.Digests.IsEmpty && Glob.IsMatch(e.Repositories, input.Repository.Value))
        && rule.IsAsked(input);

    /// <summary>Evaluates one manifest with everything below it.</summary>
    public Verdict Evaluate(PolicyInput input)
    {
        if (Policy is null) return new(Outcome.Allow, Revision, []);
        var sets = input.Shared?.SetsOf(input) ?? new EvidenceSets(input);
        RuleEvaluation[] results =
            [.. Evaluate(_documents, input, sets, []), .. Evaluate(_rules, input, sets, _exceptions), .. EvaluateDefault(input, Policy)];
        var aged = results.SelectMany(static r => r.Verdict.Ages).Select(static age => age.Evidence).ToHashSet();
        Reason[] reasons = [.. results.SelectMany(static r => r.Verdict.Reasons).OrderByDescending(static reason => reason.Outcome)];
        return new(Worst(results.Select(static r => r.Verdict.Effective)), Revision, [.. reasons.Take(MaxReasons)])
        {
            BeforeModes = Worst(results.Select(static r => r.Verdict.Outcome)),
            Rules = [.. results.Select(static r => r.Verdict)],
            // The evidence that a verdict depends on is retained and promoted by this list, so other evidence must not displace it.
            Evidence =
            [
                .. results.SelectMany(static r => r.Evidence).Distinct().OrderByDescending(e => aged.Contains(e.Digest))
                    .ThenByDescending(static e => e.Verified).Take(MaxEvidence),
            ],
            ExceptionsUsed = [.. results.SelectMany(static r => r.Exceptions).Distinct()],
            Until = Earlier(results.Min(static r => r.Until), UndecidedUntil(input)),
            OfBinding = _documents.Concat(_rules).Any(rule => rule.ReadsTag(input)),
            Unknown = results.Where(static r => r.Verdict.Effective > Outcome.Warn).All(static r => r.Unknown is not null)
                ? results.FirstOrDefault(static r => r.Verdict.Effective > Outcome.Warn)?.Unknown
                : null,
            CouldBeMended = results.Where(static r => r.Verdict.Effective > Outcome.Warn).All(static r => r.CouldBeMended),
        };
    }

    // The kind can change when unread bytes become readable: an upstream can answer again, a file can be there again.
    private static DateTimeOffset? UndecidedUntil(PolicyInput input) =>
        input.Descendants.Select(static d => d.Manifest).Append(input.Manifest)
            .Any(manifest => ManifestKinds.IsUndecided(manifest, input.Documents))
            ? input.Now + Contents.AskedAgainAfter
            : null;

    private static DateTimeOffset? Earlier(DateTimeOffset? one, DateTimeOffset? other) => one is null || other < one ? other ?? one : one;

    private static IEnumerable<RuleEvaluation> Evaluate(
        ImmutableArray<Rule> rules, PolicyInput input, EvidenceSets sets, ImmutableArray<ExceptionOptions> exceptions) =>
        rules.Where(rule => rule.IsAsked(input)).Select(rule => RuleEvaluation.Of(rule, input, sets, exceptions));

    private static Outcome Worst(IEnumerable<Outcome> outcomes) => outcomes.DefaultIfEmpty(Outcome.Allow).Max();

    private IEnumerable<RuleEvaluation> EvaluateDefault(PolicyInput input, PolicyOptions policy)
    {
        var kind = input.KindOf(input.Manifest);
        // Only entries of the file are rules. The type list that no rule requires can refuse, but admits nothing.
        if (policy.Default != Outcome.Deny || _rules[..policy.Rules.Length].Any(rule => rule.Covers(input, kind))) yield break;
        var repository = Printable.Line(input.Repository.Value, 128);
        var what = $"no rule matches kind {Yaml(kind)} in {repository} at stage {Yaml(input.Stage)}, and policy.default is deny";
        yield return RuleEvaluation.OfDefault(
            new(ReasonCodes.NoRuleDefault, what, "add a rule under policy.rules whose match covers it") { Found = Yaml(kind) });
    }

    // The spelling in the file.
    private static string Yaml(Enum value) => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
