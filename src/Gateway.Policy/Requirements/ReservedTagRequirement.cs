namespace Gateway.Policy;

/// <summary>
/// Reserves the tags under which clients look for evidence: clients that look up evidence by tag would take an image there for a signature
/// (docs/policy.md, "Reserved tags").
/// </summary>
internal sealed class ReservedTagRequirement : IRequirement
{
    public bool Descends => false;

    // Only when a tag is bound: existing bindings were evaluated at that time.
    public bool ReadsTag(PolicyInput input) => input.Stage != Stage.Pull;

    public void Check(Evaluation evaluation)
    {
        if (evaluation.Input.Tag is not { } tag || evaluation.Input.Stage == Stage.Pull) return;
        if (EvidenceTag.Parse(tag) is not { } reserved) return;
        if (reserved.IsBare ? MayBeBare(evaluation, reserved) : evaluation.Kind == ManifestKind.Evidence) return;
        var kind = evaluation.Kind.ToString().ToLowerInvariant();
        var (expected, fix) = reserved.IsBare
            ? ("an index of what refers to that digest, or the manifest of that digest", "push it by its digest")
            : ("evidence", "push it under another tag");
        evaluation.Findings.Add(new(
            ReasonCodes.TagReserved, $"tag {tag.Value[..19]}...{reserved.Suffix} is reserved for {expected}, got kind {kind}", fix)
        {
            Path = tag.Value, Expected = expected, Found = kind,
        });
    }

    // Clients without the referrers API store an index there of everything that refers to the digest. `cosign copy` tags each manifest by
    // its own digest. Nothing else has a use there, and no client would find a single signature.
    private static bool MayBeBare(Evaluation evaluation, EvidenceTag tag) =>
        evaluation.Manifest.IsIndex || evaluation.NamesOf(evaluation.Digest).Contains(tag.Subject);
}
