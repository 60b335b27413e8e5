namespace Gateway.Policy;

/// <summary>One rule, prepared for evaluation.</summary>
internal sealed class Rule(RuleOptions options, ImmutableArray<IRequirement> requirements)
{
    /// <summary>The rule in the file.</summary>
    public RuleOptions Options => options;

    /// <summary>Whether its result can differ for another tag.</summary>
    public bool ReadsTag(PolicyInput input) =>
        RuleMatch.NamesTags(options) || input.KindOf(input.Manifest) == ManifestKind.Evidence
            ? RuleMatch.MatchesPlace(options, input with { Tag = null })
            : requirements.Any(requirement => requirement.ReadsTag(input) && Asked(input, requirement).Any());

    /// <summary>The facts that it needs for this input.</summary>
    public FactKinds Needs(PolicyInput input)
    {
        var needs = requirements.Where(requirement => Asked(input, requirement).Any())
            .Aggregate(FactKinds.None, static (needs, requirement) => needs | requirement.Needs);
        return options.Mode == RuleMode.Enforce && needs.HasFlag(FactKinds.Contents) ? needs | FactKinds.AbsentContents : needs;
    }

    /// <summary>Whether it applies to the input.</summary>
    public bool IsAsked(PolicyInput input) => requirements.Any(requirement => Asked(input, requirement).Any());

    /// <summary>All findings, and the other results.</summary>
    public IEnumerable<Evaluation> Evaluate(PolicyInput input, EvidenceSets sets)
    {
        foreach (var requirement in requirements)
        {
            foreach (var (digest, manifest) in Asked(input, requirement))
            {
                var evaluation = new Evaluation(input, sets, digest, manifest);
                requirement.Check(evaluation);
                evaluation.Doubt(requirement.Needs);
                yield return evaluation;
            }
        }
    }

    /// <summary>Whether the policy's default does not apply: some requirement is about this kind.</summary>
    public bool Covers(PolicyInput input, ManifestKind kind) =>
        RuleMatch.MatchesPlace(options, input) && requirements.Any(requirement => Covers(requirement, kind));

    // The engine evaluates some requirements for everything below an index; those of a child's kind only for these children.
    private IEnumerable<(Digest Digest, Manifest Manifest)> Asked(PolicyInput input, IRequirement requirement)
    {
        if (!RuleMatch.Requires(options, input)) return [];
        var own = (input.Digest, input.Manifest);
        if (!IsAbout(requirement, KindOf(input)))
            return input.Descendants.Where(child => IsAbout(requirement, input.KindOf(child.Manifest)));
        return requirement.Descends ? input.Descendants.Prepend(own) : [own];
    }

    // Evidence has tags of its own. Under another tag it is what clients get for that tag, as any other manifest.
    private static ManifestKind KindOf(PolicyInput input) =>
        input.KindOf(input.Manifest) is var kind && kind == ManifestKind.Evidence && input.Tag is { } tag && EvidenceTag.Parse(tag) is null
            ? input.Manifest.IsIndex ? ManifestKind.Index : ManifestKind.Artifact
            : kind;

    private bool IsAbout(IRequirement requirement, ManifestKind kind) => requirement.BindsEveryKind || Covers(requirement, kind);

    private bool Covers(IRequirement requirement, ManifestKind kind) =>
        requirement.IsAbout(kind) && (options.Kinds.Contains(kind) || (requirement.BindsEvidence && kind == ManifestKind.Evidence));
}
