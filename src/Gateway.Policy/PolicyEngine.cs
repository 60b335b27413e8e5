using System.Collections.Immutable;
using System.Text.Json;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>All that is known about one manifest when it is judged.</summary>
/// <param name="Repository">The name clients use.</param>
/// <param name="Tag">The tag to bind or asked for; null by digest.</param>
/// <param name="Stage">When.</param>
/// <param name="Digest">The manifest's digest.</param>
/// <param name="Manifest">The manifest.</param>
/// <param name="Descendants">For an index, every manifest below it that the repository holds.</param>
public sealed record PolicyInput(
    RepositoryName Repository, TagName? Tag, Stage Stage, Digest Digest, Manifest Manifest,
    ImmutableArray<(Digest Digest, Manifest Manifest)> Descendants);

/// <summary>Walks the rules and says what happens. Pure: the same input gives the same verdict. Safe for concurrent use.</summary>
public sealed class PolicyEngine
{
    /// <summary>Most characters of a reason's message: the caller adds the decision's id, and all of it may have 400.</summary>
    public const int MaxMessage = 370;

    // An index may have thousands of refused children; the first few tell it.
    private const int MaxReasons = 16;

    // What holds where no rule of the file asks for it.
    private static readonly RuleOptions Everywhere = new() { Id = "artifactTypes", RequireArtifactTypes = true };

    private readonly ArtifactTypeRequirement _artifactTypes;
    private readonly ForeignLayerRequirement _foreignLayers;
    private readonly RuleOptions[] _rules;

    /// <summary>Makes an engine of a checked policy; without one everything is admitted, by the same code.</summary>
    public PolicyEngine(PolicyOptions? policy)
    {
        Policy = policy;
        Revision = policy is null ? 0 : PolicyRevision.Of(policy);
        _artifactTypes = new(policy?.ArtifactTypes ?? new());
        _foreignLayers = new(policy?.Parser.ForeignLayerHosts ?? []);
        var implied = policy?.ArtifactTypes is not null && !policy.Rules.Any(static rule => rule.RequireArtifactTypes);
        _rules = [.. policy?.Rules ?? [], .. implied ? [Everywhere] : Array.Empty<RuleOptions>()];
    }

    /// <summary>The policy; null when the file has no such section.</summary>
    public PolicyOptions? Policy { get; }

    /// <summary>First 8 bytes of SHA-256 over the canonical policy; 0 without a policy, and only then.</summary>
    public ulong Revision { get; }

    /// <summary>Whether any document at all is admitted, so that nobody need read or judge one.</summary>
    public bool AdmitsEverything => Policy is null;

    /// <summary>Bounds of documents under this policy.</summary>
    public ManifestLimits Limits => Policy?.Parser.Limits ?? ManifestLimits.Plain;

    /// <summary>Judges one manifest with all below it.</summary>
    public Verdict Judge(PolicyInput input)
    {
        if (Policy is null) return new(Outcome.Allow, Revision, []);
        Reason[] reasons =
            [.. JudgeDocument(input, Policy.Parser), .. _rules.SelectMany(rule => JudgeRule(rule, input)), .. JudgeDefault(input, Policy)];
        var outcome = reasons.Length == 0 ? Outcome.Allow : reasons.Max(static reason => reason.Outcome);
        return new(outcome, Revision, [.. reasons.OrderByDescending(static reason => reason.Outcome).Take(MaxReasons)]);
    }

    private IEnumerable<Reason> JudgeDocument(PolicyInput input, ParserOptions parser)
    {
        if (IndexLimit.Check(input, parser) is { } limit) yield return Reason("parser.maxIndexDepth", Outcome.Deny, limit);
        foreach (var finding in Closure(input, _foreignLayers)) yield return Reason("parser.foreignLayers", Outcome.Deny, finding);
    }

    private IEnumerable<Reason> JudgeRule(RuleOptions rule, PolicyInput input)
    {
        if (!rule.RequireArtifactTypes) return [];
        var outcome = rule.Mode switch { RuleMode.Enforce => Outcome.Deny, RuleMode.Warn => Outcome.Warn, _ => Outcome.Allow };
        return from finding in Closure(input, _artifactTypes, rule)
               select Reason(rule.Id, outcome, rule.Fix is null ? finding : finding with { Fix = Fill(rule.Fix, input) });
    }

    private static IEnumerable<Reason> JudgeDefault(PolicyInput input, PolicyOptions policy)
    {
        var kind = ManifestKinds.Of(input.Manifest);
        if (policy.Default != Outcome.Deny || policy.Rules.Any(rule => RuleMatch.Covers(rule, input, kind))) yield break;
        var repository = Printable.Line(input.Repository.Value, 128);
        var what = $"no rule matches kind {Yaml(kind)} in {repository} at stage {Yaml(input.Stage)}, and policy.default is deny";
        yield return Reason(
            "default", Outcome.Deny, new(ReasonCodes.NoRuleDefault, what, "add a rule under policy.rules whose match covers it"));
    }

    // A rule that is asked of an index is asked of everything below it; one that is asked of a child's kind only, of these children.
    private static IEnumerable<Finding> Closure(PolicyInput input, IRequirement requirement, RuleOptions? rule = null)
    {
        var whole = Asks(input.Manifest);
        var own = whole ? requirement.Check(input.Manifest, input.Repository, input.Stage) : [];
        var below = from child in input.Descendants
                    where whole || Asks(child.Manifest)
                    from finding in requirement.Check(child.Manifest, input.Repository, input.Stage)
                    select finding.AtChild(child.Digest);
        return own.Concat(below);

        bool Asks(Manifest manifest) => rule is null || RuleMatch.Requires(rule, input, ManifestKinds.Of(manifest));
    }

    // As the file spells it.
    private static string Yaml(Enum value) => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    private static string Fill(string fix, PolicyInput input) => "fix: " + fix
        .Replace("{repo}", input.Repository.Value, StringComparison.Ordinal)
        .Replace("{digest}", input.Digest.ToString(), StringComparison.Ordinal);

    private static Reason Reason(string rule, Outcome outcome, Finding finding) =>
        new(rule, finding.Code, Printable.Line($"policy rule '{rule}': {finding.What}; {finding.Fix}", MaxMessage), outcome);
}
