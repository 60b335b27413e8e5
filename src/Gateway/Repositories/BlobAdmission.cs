using BitFaster.Caching.Lru;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Whether pullers may pull a blob: some admitted manifest of this repository names it. The blob's link says which manifest that was. When
/// that one is no longer admitted, the gateway looks through the others.
/// </summary>
internal sealed class BlobAdmission(IBacking backing, Evaluator evaluator)
{
    /// <summary>Maximum number of blobs that are cached as "no manifest admits it".</summary>
    private const int MaxRefused = 1024;

    /// <summary>How long that is cached when nothing changes. An age may be reached, or an upstream may have evidence, by then.</summary>
    private static readonly TimeSpan RefusedFor = TimeSpan.FromSeconds(30);

    private readonly ConcurrentLru<Digest, (Basis Basis, DateTimeOffset Until)> _refused = new(MaxRefused);

    /// <summary>Whether pullers may pull the blob; or the verdict that could not be determined, when that is why.</summary>
    public async ValueTask<(bool IsAdmitted, Verdict? Unknown)> FindAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (evaluator.Engine.AdmitsEverything) return (true, null);
        var found = await FindHereAsync(digest, cancellationToken);
        if (found.IsAdmitted) return found;
        // Another gateway may have released it, and given its manifest to this client.
        var caughtUp = await evaluator.CatchUpAsync(cancellationToken);
        if (caughtUp.IsRead) found = await FindHereAsync(digest, cancellationToken);
        return found.IsAdmitted || caughtUp.Unknown is not { } why ? found : (false, found.Unknown ?? evaluator.InDoubt(why));
    }

    private async ValueTask<(bool IsAdmitted, Verdict? Unknown)> FindHereAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (await backing.ReadLinkAsync(digest, LinkKind.Blob, cancellationToken) is not { } link) return (false, null);
        Verdict? unknown = null;
        if (!link.Parent.IsEmpty && await AdmitsAsync(link.Parent)) return (true, null);
        var basis = evaluator.CurrentBasis();
        if (_refused.TryGet(digest, out var refused) && refused.Basis == basis && evaluator.Now < refused.Until)
            return (false, null);
        await foreach (var manifest in backing.ManifestsAsync().WithCancellation(cancellationToken))
        {
            if (manifest == link.Parent || !await AdmitsAsync(manifest)) continue;
            // The next pull does not have to look through all manifests again.
            await backing.NoteAsync(new([new Operation.LinkBlob(digest, link.Size) { Parent = manifest }]), cancellationToken);
            return (true, null);
        }
        if (unknown is not null) return (false, unknown);
        _refused.AddOrUpdate(digest, (basis, evaluator.Now + RefusedFor));
        return (false, null);

        async ValueTask<bool> AdmitsAsync(Digest manifest)
        {
            if (await backing.ReadLinkedAsync(manifest, cancellationToken) is not { IsStored: true } stored
                || !Names(stored.Manifest, digest))
                return false;
            var verdict = await evaluator.OfStoredAsync(stored, null, cancellationToken);
            if (verdict.Unknown is not null) unknown = verdict;
            return verdict.Admits;
        }
    }

    private static bool Names(Manifest manifest, Digest blob)
    {
        foreach (var one in manifest.Blobs)
        {
            if (one.Digest == blob) return true;
        }
        return false;
    }
}
