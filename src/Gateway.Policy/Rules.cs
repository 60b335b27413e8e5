using System.Collections.Immutable;

namespace Gateway.Policy;

/// <summary>Makes the rules of a policy ready to be asked.</summary>
internal static class Rules
{
    private static readonly ImmutableArray<ManifestKind> EveryKind = [.. Enum.GetValues<ManifestKind>()];

    /// <summary>The file's rules in its order, and what holds where none of them asks for it.</summary>
    public static ImmutableArray<Rule> Of(PolicyOptions policy)
    {
        var types = new ArtifactTypeRequirement(policy.ArtifactTypes ?? new());
        var rules = policy.Rules.Select(rule => new Rule(rule, [.. RequirementsOf(rule.Require, types)]));
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
}
