using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>The indexes above a manifest, and the manifests below it.</summary>
internal sealed partial class Closure
{
    // The evaluator looks for the evidence of at most so many indexes above one manifest: each look reads a folder, and anyone who may push
    // can add an index.
    // Chosen: far more than the releases that share an image, and a tenth of a second on a disk that takes 0.1 ms for each.
    private const int MaxLooks = 16 * EvidenceBudget.MaxManifests;

    /// <summary>The indexes that name the manifest, and the indexes above those, up to the depth that the policy allows.</summary>
    private async ValueTask<ImmutableArray<(Digest, Manifest)>> ReadAboveAsync(CancellationToken cancellationToken)
    {
        // A promotion leaves the indexes above in the source: what they admit would be refused at the next evaluation.
        if (!ReferenceEquals(_backing, _bindings)) return [];
        var found = ImmutableArray.CreateBuilder<(Digest, Manifest)>();
        HashSet<Digest> seen = [.. Named];
        List<Digest> level = [.. Named];
        for (var depth = 0; depth <= _engine.Policy!.Parser.MaxIndexDepth && level.Count > 0; depth++)
        {
            var above = new List<Digest>();
            foreach (var child in level)
            {
                foreach (var index in await IndexesOfAsync(child, seen, cancellationToken))
                {
                    NoteVersion(index);
                    if (await StoredAsync(index, cancellationToken) is not { } stored) continue;
                    found.Add((index, stored.Manifest));
                    above.Add(index);
                }
            }
            level = above;
        }
        return found.ToImmutable();
    }

    /// <summary>
    /// The indexes that name a manifest, at most as many as are read. Indexes whose evidence has admitted something come first, because
    /// anyone who may push can add others.
    /// </summary>
    private async ValueTask<IEnumerable<Digest>> IndexesOfAsync(Digest child, HashSet<Digest> seen, CancellationToken cancellationToken)
    {
        List<Digest> all = [.. (await _backing.IndexesOfAsync(child)).Where(seen.Add)];
        if (all.Count <= EvidenceBudget.MaxManifests) return all;
        var counted = new List<Digest>();
        foreach (var index in all.Take(MaxLooks))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (counted.Count == EvidenceBudget.MaxManifests) break;
            if (await _backing.HasCountedEvidenceAsync(index)) counted.Add(index);
        }
        return counted.Union(all).Take(EvidenceBudget.MaxManifests);
    }

    /// <summary>Down to the depth that the policy allows, and one level more to detect an index that is deeper.</summary>
    private async ValueTask<ImmutableArray<(Digest, Manifest)>> ReadDescendantsAsync(CancellationToken cancellationToken)
    {
        if (!Manifest.Manifest.IsIndex) return [];
        var found = ImmutableArray.CreateBuilder<(Digest, Manifest)>();
        var seen = new HashSet<Digest>();
        var level = new List<Manifest> { Manifest.Manifest };
        for (var depth = 0; depth <= _engine.Policy!.Parser.MaxIndexDepth && level.Count > 0; depth++)
        {
            var below = new List<Manifest>();
            foreach (var child in level.SelectMany(m => m.Children).Where(c => seen.Add(c.Digest)))
            {
                if (found.Count > _engine.Limits.MaxDescriptors) return found.ToImmutable();
                if (await BelowAsync(child.Digest, cancellationToken) is not { } stored) continue;
                found.Add((child.Digest, stored.Manifest));
                if (stored.Manifest.IsIndex) below.Add(stored.Manifest);
            }
            level = below;
        }
        return found.ToImmutable();
    }

    private async ValueTask<StoredManifest?> BelowAsync(Digest digest, CancellationToken cancellationToken) => !_whole
        ? await StoredAsync(digest, cancellationToken)
        : await _backing.ReadManifestAsync(digest, cancellationToken) is Result<StoredManifest>.Found { Value: var read } ? read : null;
}
