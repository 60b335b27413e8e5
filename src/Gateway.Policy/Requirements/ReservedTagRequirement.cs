using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>
/// Keeps the tags under which clients look for evidence for evidence: an image there would be taken for a signature by what goes by names
/// (docs/policy.md, "Reserved tags").
/// </summary>
internal sealed class ReservedTagRequirement : IRequirement
{
    /// <inheritdoc/>
    public bool Descends => false;

    // Only where a tag is bound: what is there already was judged then.
    /// <inheritdoc/>
    public bool ReadsTag(PolicyInput input) => input.Stage != Stage.Pull;

    /// <inheritdoc/>
    public void Check(Hearing hearing)
    {
        if (hearing.Input.Tag is not { } tag || hearing.Input.Stage == Stage.Pull) return;
        if (EvidenceTag.Parse(tag) is not { } reserved) return;
        if (reserved.IsBare ? MayBeBare(hearing, reserved) : hearing.Kind == ManifestKind.Evidence) return;
        var kind = hearing.Kind.ToString().ToLowerInvariant();
        var (expected, fix) = reserved.IsBare
            ? ("an index of what refers to that digest, or the manifest of that digest", "push it by its digest")
            : ("evidence", "push it under another tag");
        hearing.Findings.Add(new(
            ReasonCodes.TagReserved, $"tag {tag.Value[..19]}...{reserved.Suffix} is for {expected}, this is of kind {kind}", fix)
        {
            Path = tag.Value, Expected = expected, Found = kind,
        });
    }

    // Clients without the referrers API keep an index there of all that refers to the digest, whatever it is; `cosign copy` tags each
    // manifest by its own digest. Nothing else has a use there, and a single signature would be found by no client.
    private static bool MayBeBare(Hearing hearing, EvidenceTag tag) =>
        hearing.Manifest.IsIndex || hearing.NamesOf(hearing.Digest).Contains(tag.Subject);
}
