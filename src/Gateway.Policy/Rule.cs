using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>One rule made ready to be asked.</summary>
internal sealed class Rule(RuleOptions options, ImmutableArray<IRequirement> requirements)
{
    /// <summary>What the file says of it.</summary>
    public RuleOptions Options => options;

    /// <summary>Whether its answer may be another for another tag.</summary>
    public bool ReadsTag(PolicyInput input) =>
        RuleMatch.NamesTags(options)
            ? RuleMatch.MatchesPlace(options, input with { Tag = null })
            : requirements.Any(requirement => requirement.ReadsTag(input) && Asked(input, requirement).Any());

    /// <summary>The facts it looks at for this question.</summary>
    public FactKinds Needs(PolicyInput input)
    {
        var needs = requirements.Where(requirement => Asked(input, requirement).Any())
            .Aggregate(FactKinds.None, static (needs, requirement) => needs | requirement.Needs);
        return options.Mode == RuleMode.Enforce && needs.HasFlag(FactKinds.Contents) ? needs | FactKinds.AbsentContents : needs;
    }

    /// <summary>Whether it has anything to say about the question.</summary>
    public bool IsAsked(PolicyInput input) => requirements.Any(requirement => Asked(input, requirement).Any());

    /// <summary>Everything that is found wrong, and the rest of what was found out.</summary>
    public IEnumerable<Hearing> Hear(PolicyInput input, EvidenceSets sets)
    {
        foreach (var requirement in requirements)
        {
            foreach (var (digest, manifest) in Asked(input, requirement))
            {
                var hearing = new Hearing(input, sets, digest, manifest);
                requirement.Check(hearing);
                hearing.Doubt(requirement.Needs);
                yield return hearing;
            }
        }
    }

    /// <summary>Whether the policy's default is kept away: some requirement is about this kind.</summary>
    public bool Covers(PolicyInput input, ManifestKind kind) =>
        RuleMatch.MatchesPlace(options, input) && requirements.Any(requirement => Covers(requirement, kind));

    // A requirement that is asked of an index is asked of everything below it; one that is asked of a child's kind only, of these
    // children.
    private IEnumerable<(Digest Digest, Manifest Manifest)> Asked(PolicyInput input, IRequirement requirement)
    {
        if (!RuleMatch.Requires(options, input)) return [];
        var own = (input.Digest, input.Manifest);
        if (!IsAbout(requirement, KindOf(input)))
            return input.Descendants.Where(child => IsAbout(requirement, input.KindOf(child.Manifest)));
        return requirement.Descends ? input.Descendants.Prepend(own) : [own];
    }

    // Evidence has tags of its own. To a rule about other tags it is what anything else is that is bound to them.
    private ManifestKind KindOf(PolicyInput input) =>
        input.KindOf(input.Manifest) is var kind && kind == ManifestKind.Evidence && RuleMatch.NamesTags(options)
        && input.Tag is { } tag && EvidenceTag.Parse(tag) is null
            ? input.Manifest.IsIndex ? ManifestKind.Index : ManifestKind.Artifact
            : kind;

    private bool IsAbout(IRequirement requirement, ManifestKind kind) => requirement.BindsEveryKind || Covers(requirement, kind);

    private bool Covers(IRequirement requirement, ManifestKind kind) =>
        requirement.IsAbout(kind) && (options.Kinds.Contains(kind) || (requirement.BindsEvidence && kind == ManifestKind.Evidence));
}
