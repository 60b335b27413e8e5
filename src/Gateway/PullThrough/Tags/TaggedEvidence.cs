using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>
/// Finds the evidence that an upstream has under cosign 2's tags for a manifest, which no list of referrers names. The tags are resolved
/// like any other tags. What is found is noted in the cached root, so that it stays evidence when the tag moves or the upstream is down.
/// </summary>
internal sealed class TaggedEvidence(StoredRepository stored, TagRevalidation tags)
{
    // Signatures and attestations (cosign's SIGNATURE_SPEC.md). Artifacts under ".sbom" have no signature, and no rule requires them.
    private static readonly string[] Suffixes = [EvidenceTag.Signature, EvidenceTag.Attestation];

    /// <summary>Notes the evidence that exists. Returns why there may be more if the upstream could not be asked; otherwise null.</summary>
    public async Task<string?> NoteAsync(Digest subject, CancellationToken cancellationToken)
    {
        if (subject.Algorithm != DigestAlgorithm.Sha256) return null;
        var asked = await Task.WhenAll(Suffixes.Select(s => FindAsync(EvidenceTag.Of(subject, s), cancellationToken)));
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
            // The volume accepts no writes, so the evidence can be neither noted nor counted.
            return e.Message;
        }
    }

    /// <summary>The digest that the upstream, or otherwise the cache, has for the tag; empty if there is none.</summary>
    private async Task<(Digest Found, string? Incomplete)> FindAsync(TagName tag, CancellationToken cancellationToken) =>
        await tags.ResolveAsync(tag, isForClient: false, cancellationToken) switch
        {
            Result<TagState>.Found { Value: var state, Handling: var how } =>
                (state.UpstreamDigest.IsEmpty ? state.Live : state.UpstreamDigest, how.Incomplete),
            Result<TagState>.Unavailable no => (default, no.Why),
            var absent => (default, absent.Handling.Incomplete),
        };
}
