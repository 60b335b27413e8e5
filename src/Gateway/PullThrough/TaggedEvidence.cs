using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>
/// What an upstream has under cosign 2's tags about a manifest, which no list of referrers names: looked for as any tag is, and noted
/// among what is kept, so that it stays evidence when the tag moves on or the upstream is gone.
/// </summary>
internal sealed class TaggedEvidence(StoredRepository stored, TagRevalidation tags)
{
    // Signatures and attestations (cosign's SIGNATURE_SPEC.md); what is under ".sbom" is signed by nobody, and no rule asks for it.
    private static readonly string[] Suffixes = [".sig", ".att"];

    public async Task NoteAsync(Digest subject, CancellationToken cancellationToken)
    {
        if (subject.Algorithm != DigestAlgorithm.Sha256) return;
        var found = await Task.WhenAll(Suffixes.Select(s => FindAsync(TagName.Parse($"sha256-{subject.Hex}{s}"), cancellationToken)));
        if (found.All(d => d.IsEmpty)) return;
        var listed = await stored.EvidenceAsync(subject, cancellationToken);
        var noted = listed is Result<IReadOnlyList<Digest>>.Found { Value: var all } ? all : [];
        Operation[] added = [.. found.Where(d => !d.IsEmpty).Except(noted).Select(d => new Operation.AddEvidence(subject, d))];
        if (added.Length == 0) return;
        try
        {
            await stored.CommitAsync(new([.. added]), CancellationToken.None);
        }
        catch (StoreReadOnlyException)
        {
            // Then what it says cannot be kept either, nor counted.
        }
    }

    /// <summary>What the upstream says that the tag is bound to, or what is kept of it; empty where there is none.</summary>
    private async Task<Digest> FindAsync(TagName tag, CancellationToken cancellationToken) =>
        await tags.ResolveAsync(tag, cancellationToken) is Result<TagState>.Found { Value: var state }
            ? state.Offered.IsEmpty ? state.Live : state.Offered
            : default;
}
