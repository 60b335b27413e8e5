using System.Collections.Concurrent;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Whether pullers may have a blob: some manifest of this repository that names it is admitted. Its link says which one was last; when that
/// one no longer is, the others are looked through.
/// </summary>
internal sealed class BlobAdmission(RepositoryName name, IBacking backing, Judge judge, TimeProvider clock)
{
    /// <summary>Blobs of which it is remembered that no manifest admits them; beyond it all are looked for again.</summary>
    private const int MaxRefused = 1024;

    /// <summary>How long that is believed where nothing changes: an age may be reached, an upstream may have evidence by then.</summary>
    private static readonly TimeSpan RefusedFor = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<Digest, (Basis Basis, DateTimeOffset Until)> _refused = new();

    /// <summary>Whether pullers may have it, or the verdict by which that is not known now.</summary>
    public async ValueTask<(bool IsAdmitted, Verdict? Unknown)> FindAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (judge.Engine.AdmitsEverything) return (true, null);
        if (await backing.ReadLinkAsync(digest, LinkKind.Blob, cancellationToken) is not { } link) return (false, null);
        Verdict? unknown = null;
        if (!link.Parent.IsEmpty && await AdmitsAsync(link.Parent)) return (true, null);
        var basis = judge.BasisOf(backing);
        if (_refused.TryGetValue(digest, out var refused) && refused.Basis == basis && clock.GetUtcNow() < refused.Until)
            return (false, null);
        await foreach (var manifest in backing.ManifestsAsync().WithCancellation(cancellationToken))
        {
            if (manifest == link.Parent || !await AdmitsAsync(manifest)) continue;
            // The next puller need not look through all manifests again.
            await backing.NoteAsync(new([new Operation.LinkBlob(digest, link.Size) { Parent = manifest }]), cancellationToken);
            return (true, null);
        }
        if (unknown is not null) return (false, unknown);
        if (_refused.Count >= MaxRefused) _refused.Clear();
        _refused[digest] = (basis, clock.GetUtcNow() + RefusedFor);
        return (false, null);

        async ValueTask<bool> AdmitsAsync(Digest manifest)
        {
            if (await backing.ReadLinkedAsync(manifest, cancellationToken) is not { IsStored: true } stored
                || !Names(stored.Manifest, digest))
                return false;
            var verdict = await judge.OfStoredAsync(backing, name, stored, null, cancellationToken);
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
