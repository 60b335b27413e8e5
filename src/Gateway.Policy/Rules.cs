using System.Diagnostics.CodeAnalysis;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>Prepares the rules of a policy for evaluation.</summary>
internal static class Rules
{
    private static readonly ImmutableArray<ManifestKind> EveryKind = [.. Enum.GetValues<ManifestKind>()];

    /// <summary>The rules of the file in their order, and the requirements that apply when no rule contains them.</summary>
    public static ImmutableArray<Rule> Of(PolicyOptions policy, EvidenceVerifier verifier)
    {
        var types = new ArtifactTypeRequirement(policy.ArtifactTypes ?? new());
        var rules = policy.Rules.Select(rule => new Rule(
            rule, [.. RequirementsOf(rule.Require, types), .. EvidenceOf(rule, policy.Trust, verifier)]));
        var implied = policy.ArtifactTypes is not null && !policy.Rules.Any(static rule => rule.Require.ArtifactTypes);
        return [.. rules, .. implied ? [new Rule(new() { Id = "artifactTypes" }, [types])] : Array.Empty<Rule>()];
    }

    /// <summary>The requirements that apply to every document, whatever the rules are.</summary>
    public static ImmutableArray<Rule> OfDocuments(ParserOptions parser) =>
    [
        new(new() { Id = "parser.maxIndexDepth", Kinds = EveryKind }, [new IndexLimit(parser)]),
        new(new() { Id = "parser.foreignLayers", Kinds = EveryKind }, [new ForeignLayerRequirement(parser.ForeignLayerHosts)]),
        new(new() { Id = "tags.reserved", Kinds = EveryKind }, [new ReservedTagRequirement()]),
    ];

    private static IEnumerable<IRequirement> RequirementsOf(RequireOptions require, ArtifactTypeRequirement types)
    {
        if (require.ArtifactTypes) yield return types;
        if (!require.TruthfulMedia.IsEmpty) yield return new TruthfulMediaRequirement(require.TruthfulMedia);
        if (require.LayerDigestCheck) yield return new LayerDigestRequirement();
        if (require.Platforms is { } platforms) yield return new PlatformRequirement(platforms);
        if (!require.Annotations.IsEmpty) yield return new AnnotationRequirement(require);
        if (require.Limits is { MaxTotalBytes: not null } or { MaxLayerBytes: not null } or { MaxLayers: not null })
            yield return new LimitRequirement(require.Limits);
        if (AsksForAge(require.Limits) && require.Limits.AgeFrom == AgeStart.FirstSeen) yield return new AgeRequirement(require.Limits);
        if (require.TagMutability != TagMutability.Mutable) yield return new TagMutabilityRequirement(require.TagMutability);
    }

    private static bool AsksForAge([NotNullWhen(true)] LimitOptions? limits) => limits is { MinAge: not null } or { MaxAge: not null };

    // Ages by evidence come last, so that the first fix for a missing signature is to sign.
    private static IEnumerable<IRequirement> EvidenceOf(RuleOptions rule, TrustOptions trust, EvidenceVerifier verifier)
    {
        var require = rule.Require;
        var asksImages = AsksImages(rule);
        var isAged = AsksForAge(require.Limits) && require.Limits.AgeFrom == AgeStart.Attested;
        ImmutableArray<WantedEvidence> wanted =
            [.. WantedOf(require, trust, verifier, isAged).Select(one => one with { AsksImages = asksImages })];
        foreach (var one in wanted) yield return new EvidenceRequirement(one);
        if (isAged) yield return new AttestedAgeRequirement(require.Limits!, wanted);
    }

    // Clients request the images of an index by digest: a rule with tags, or of other stages or kinds, does not apply then.
    private static bool AsksImages(RuleOptions rule) => !RuleMatch.NamesTags(rule)
        && (rule.Stages.IsEmpty || rule.Stages.Contains(Stage.Pull)) && rule.Kinds.Contains(ManifestKind.Image);

    // When an age counts from the earliest evidence, all evidence that counts is read.
    private static IEnumerable<WantedEvidence> WantedOf(RequireOptions require, TrustOptions trust, EvidenceVerifier verifier, bool all)
    {
        foreach (var signature in require.Signatures)
        {
            yield return Wanted(
                trust, "signature", signature.Authority, signature.Coverage,
                AdviceOf(trust.Authorities[signature.Authority], SignsAll(signature.Coverage)),
                (digest, set, input) =>
                    InTime(time => verifier.Signatures(signature, digest, input.Repository, set, input.Now, all, time))) with
            {
                AdvisesAll = SignsAll(signature.Coverage) && trust.Authorities[signature.Authority].Notation is null,
            };
        }
        foreach (var attestation in require.Attestations)
        {
            yield return Wanted(
                trust, attestation.PredicateType, attestation.Authority, attestation.Coverage,
                $"cosign attest {Key(trust.Authorities[attestation.Authority])}--predicate FILE --type {attestation.PredicateType}",
                (digest, set, input) => InTime(time => verifier.Attestations(attestation, digest, set, input.Now, all, time)));
        }
    }

    private static WantedEvidence Wanted(
        TrustOptions trust, string what, string authority, IndexCoverage coverage, string advice,
        Func<Digest, EvidenceSet, PolicyInput, EvidenceCheck> ask) =>
        new(what, authority, coverage, StaleAt(trust, authority), advice, ask)
        {
            ProvesTimes = trust.ProvesTimes(trust.Authorities[authority]),
            TimeAdvice = trust.Authorities[authority].Notation is null
                ? "a log entry that proves a time, or a time stamp"
                : "--timestamp-url",
        };

    // A certificate and its log cost milliseconds each time, and signatures by anyone are checked.
    private static EvidenceCheck InTime(Func<CancellationToken, EvidenceCheck> ask)
    {
        using var time = new CancellationTokenSource(EvidenceBudget.MaxTime);
        return ask(time.Token);
    }

    private static string AdviceOf(AuthorityOptions authority, bool all) => authority.Notation is not null
        ? "notation sign"
        : $"cosign sign {Key(authority)}{(all ? "--recursive " : "")}".TrimEnd();

    // Whether the images of an index need their own signatures.
    private static bool SignsAll(IndexCoverage coverage) => coverage is IndexCoverage.Children or IndexCoverage.Both;

    private static string Key(AuthorityOptions authority) => authority.Keyless is null ? "--key KEY " : "";

    private static DateTimeOffset? StaleAt(TrustOptions trust, string authority) =>
        trust.Authorities[authority].Keyless is { } keyless && trust.Keyless[keyless.Root] is { ReadFrom: { } read, MaxAge: { } most }
            ? read + most
            : null;
}
