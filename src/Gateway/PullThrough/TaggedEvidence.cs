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

    /// <summary>Notes what there is; says why there may be more, where the upstream could not be asked.</summary>
    public async Task<string?> NoteAsync(Digest subject, CancellationToken cancellationToken)
    {
        if (subject.Algorithm != DigestAlgorithm.Sha256) return null;
        var asked = await Task.WhenAll(Suffixes.Select(s => FindAsync(TagName.Parse($"sha256-{subject.Hex}{s}"), cancellationToken)));
        var why = asked.Select(a => a.Incomplete).FirstOrDefault(w => w is not null);
        Digest[] found = [.. asked.Select(a => a.Found)];
        if (found.All(d => d.IsEmpty)) return why;
        var listed = await stored.EvidenceAsync(subject, cancellationToken);
        var noted = listed is Result<IReadOnlyList<Digest>>.Found { Value: var all } ? all : [];
        Operation[] added = [.. found.Where(d => !d.IsEmpty).Except(noted).Select(d => new Operation.AddEvidence(subject, d))];
        if (added.Length == 0) return why;
        try
        {
            await stored.CommitAsync(new([.. added]), CancellationToken.None);
            return why;
        }
        catch (StoreReadOnlyException e)
        {
            // Then what it says cannot be kept either, nor counted.
            return e.Message;
        }
    }

    /// <summary>What the upstream says that the tag is bound to, or what is kept of it; empty where there is none.</summary>
    private async Task<(Digest Found, string? Incomplete)> FindAsync(TagName tag, CancellationToken cancellationToken) =>
        await tags.ResolveAsync(tag, isForClient: false, cancellationToken) switch
        {
            Result<TagState>.Found { Value: var state, Handling: var how } =>
                (state.UpstreamDigest.IsEmpty ? state.Live : state.UpstreamDigest, how.Incomplete),
            Result<TagState>.Unavailable no => (default, no.Why),
            var absent => (default, absent.Handling.Incomplete),
        };
}
