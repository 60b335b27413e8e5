using System.Collections.Immutable;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>Makes the rules of a policy ready to be asked.</summary>
internal static class Rules
{
    private static readonly ImmutableArray<ManifestKind> EveryKind = [.. Enum.GetValues<ManifestKind>()];

    /// <summary>The file's rules in its order, and what holds where none of them asks for it.</summary>
    public static ImmutableArray<Rule> Of(PolicyOptions policy)
    {
        var types = new ArtifactTypeRequirement(policy.ArtifactTypes ?? new());
        var verifier = new EvidenceVerifier(policy.Trust);
        var rules = policy.Rules.Select(rule => new Rule(
            rule, [.. RequirementsOf(rule.Require, types), .. EvidenceOf(rule.Require, policy.Trust, verifier)]));
        var implied = policy.ArtifactTypes is not null && !policy.Rules.Any(static rule => rule.Require.ArtifactTypes);
        return [.. rules, .. implied ? [new Rule(new() { Id = "artifactTypes" }, [types])] : Array.Empty<Rule>()];
    }

    /// <summary>What holds of every document, whatever the rules say.</summary>
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
        if (require.Limits is { MinAge: not null } or { MaxAge: not null }) yield return new AgeRequirement(require.Limits);
        if (require.TagMutability != TagMutability.Mutable) yield return new TagMutabilityRequirement(require.TagMutability);
    }

    private static IEnumerable<IRequirement> EvidenceOf(RequireOptions require, TrustOptions trust, EvidenceVerifier verifier)
    {
        foreach (var signature in require.Signatures)
        {
            yield return new EvidenceRequirement(new(
                "signature", signature.Authority, signature.Coverage, StaleAt(trust, signature.Authority),
                AdviceOf(trust.Authorities[signature.Authority]),
                (digest, set, input) => InTime(time => verifier.Signatures(signature, digest, input.Repository, set, input.Now, time))));
        }
        foreach (var attestation in require.Attestations)
        {
            yield return new EvidenceRequirement(new(
                attestation.PredicateType, attestation.Authority, attestation.Coverage, StaleAt(trust, attestation.Authority),
                $"cosign attest --type {attestation.PredicateType}",
                (digest, set, input) => InTime(time => verifier.Attestations(attestation, digest, set, input.Now, time))));
        }
    }

    // A certificate and its log cost milliseconds each time, and anybody's signatures are tried.
    private static EvidenceCheck InTime(Func<CancellationToken, EvidenceCheck> ask)
    {
        using var time = new CancellationTokenSource(EvidenceBudget.MaxTime);
        return ask(time.Token);
    }

    private static string AdviceOf(AuthorityOptions authority)
    {
        if (authority.Notation is not null) return "notation sign";
        return authority.Keyless is not null ? "cosign sign" : "cosign sign --key KEY";
    }

    private static DateTimeOffset? StaleAt(TrustOptions trust, string authority) =>
        trust.Authorities[authority].Keyless is { } keyless && trust.Keyless[keyless.Root] is { ReadFrom: { } read, MaxAge: { } most }
            ? read + most
            : null;
}
