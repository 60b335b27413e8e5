namespace Gateway.Policy;

/// <summary>
/// Requires that a tag keeps its manifest, or moves only to a version that is not lower, whatever is pushed to it. It does not apply to
/// evidence under evidence tags.
/// </summary>
internal sealed class TagMutabilityRequirement(TagMutability mutability) : IRequirement
{
    // image-spec, annotations.md.
    private const string VersionKey = "org.opencontainers.image.version";

    public FactKinds Needs => FactKinds.TagHistory | (mutability == TagMutability.MonotonicSemver ? FactKinds.Configs : FactKinds.None);

    public bool Descends => false;

    // A push of a signature or chart moves a tag away from an image just as a push of an image does.
    public bool BindsEveryKind => true;

    // A pull does not move the tag.
    public bool ReadsTag(PolicyInput input) => input.Stage != Stage.Pull;

    public void Check(Evaluation evaluation)
    {
        var input = evaluation.Input;
        if (input.Tag is not { } tag || input.Stage == Stage.Pull || !evaluation.IsAsked) return;
        // Signers add to the content of an evidence tag, and no client pulls an image by it.
        if (evaluation.Kind == ManifestKind.Evidence && EvidenceTag.Parse(tag) is not null) return;
        var (history, digest) = (input.Facts.TagHistory, input.Digest);
        if (history.IsEmpty || history[0].Digest == digest) return;
        var isVersion = SemanticVersion.Parse(tag.Value) is not null;
        if (mutability == TagMutability.Immutable || isVersion) CheckImmutable(evaluation, tag);
        else CheckVersion(evaluation, tag);
    }

    private static void CheckImmutable(Evaluation evaluation, TagName tag)
    {
        var other = evaluation.Input.Facts.TagHistory.FirstOrDefault(binding => binding.Digest != evaluation.Input.Digest);
        if (other is null) return;
        evaluation.Findings.Add(new(
            ReasonCodes.TagImmutable,
            $"tag {tag} is bound to {other.Digest.ToString()[..19]} and is immutable",
            "push it under another tag")
        {
            Path = tag.Value, Expected = other.Digest.ToString(), Found = evaluation.Input.Digest.ToString(),
        });
    }

    private static void CheckVersion(Evaluation evaluation, TagName tag)
    {
        var input = evaluation.Input;
        var highest = input.Facts.TagHistory.Select(binding => VersionOf(input, binding.Digest, binding.Manifest)).Max();
        if (highest is null) return;
        if (Lower(evaluation, input.Digest, input.Manifest, tag, highest) is { } own)
        {
            evaluation.Findings.Add(own);
            return;
        }
        // An index of a higher version must not bring back an image of a lower one.
        foreach (var (digest, image) in ImagesBelow.Here(evaluation))
        {
            if (Lower(evaluation, digest, image, tag, highest) is { } below) evaluation.Findings.Add(below.AtChild(digest));
        }
    }

    private static Finding? Lower(Evaluation evaluation, Digest digest, Manifest manifest, TagName tag, SemanticVersion highest)
    {
        var version = VersionOf(evaluation.Input, digest, manifest);
        if (version is not null && version.CompareTo(highest) >= 0) return null;
        return new(
            ReasonCodes.TagVersionLower, $"tag {tag}: expected at least version {highest}, got {version?.ToString() ?? "none"}",
            $"push a version that is not lower, with the annotation or label {VersionKey}")
        {
            Path = tag.Value, Expected = $"at least {highest}", Found = version?.ToString() ?? "",
        };
    }

    // The manifest's own annotation, which a signature covers; otherwise the config's label.
    private static SemanticVersion? VersionOf(PolicyInput input, Digest digest, Manifest? manifest)
    {
        if (manifest is not null && manifest.Annotations.TryGetValue(VersionKey, out var annotation))
            return SemanticVersion.Parse(annotation);
        return input.Facts.Configs.TryGetValue(digest, out var config) && config.Labels.TryGetValue(VersionKey, out var label)
            ? SemanticVersion.Parse(label)
            : null;
    }
}
