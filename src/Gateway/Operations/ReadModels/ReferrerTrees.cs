using BitFaster.Caching.Lru;
using Gateway.Access;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>Reads the manifests that are about another one, and those that are about these in turn.</summary>
internal sealed class ReferrerTrees
{
    // Most nodes of a tree, and its depth: an SBOM is often signed itself, which is the second level.
    private const int MostNodes = 64;
    private const int MostLevels = 3;

    // Bytes of documents that are read for one tree. Chosen: four of the largest. Others are listed without details until the page is
    // loaded again.
    private const long MostBytes = 4 * EvidenceDetails.MostBytes;

    // Details in memory, at most about 1 KiB each.
    private const int MostDetails = 2000;

    private readonly ConcurrentLru<Digest, EvidenceDetails.Details> _details = new(MostDetails);

    /// <summary>The tree below a manifest; the second value tells whether something was left out.</summary>
    /// <param name="verdict">The verdict of the manifest, which says which evidence counts.</param>
    public async ValueTask<(IReadOnlyList<ReferrerNode> Nodes, bool HasMore)> ReadAsync(
        Inspection inspection, Caller caller, Digest subject, Verdict verdict, CancellationToken cancellationToken)
    {
        var walk = new Walk(inspection, caller, verdict, [subject]);
        var nodes = await BelowAsync(walk, subject, 1, cancellationToken);
        return (nodes, walk.HasMore);
    }

    private sealed record Walk(Inspection Inspection, Caller Caller, Verdict Verdict, HashSet<Digest> Seen)
    {
        public bool HasMore { get; set; }

        public long BytesLeft { get; set; } = MostBytes;
    }

    private async ValueTask<List<ReferrerNode>> BelowAsync(Walk walk, Digest subject, int level, CancellationToken cancellationToken)
    {
        var nodes = new List<ReferrerNode>();
        foreach (var digest in await walk.Inspection.EvidenceAsync(subject, cancellationToken))
        {
            if (walk.Seen.Count > MostNodes)
            {
                walk.HasMore = true;
                break;
            }
            // A cycle is possible: a manifest may name a subject that names it.
            if (!walk.Seen.Add(digest)) continue;
            if (await walk.Inspection.ReadAsync(digest, cancellationToken) is not { } stored) continue;
            if (!await IsShownAsync(walk, stored, cancellationToken)) continue;
            nodes.Add(await NodeAsync(walk, stored, level, cancellationToken));
        }
        return nodes;
    }

    private static async ValueTask<bool> IsShownAsync(Walk walk, StoredManifest stored, CancellationToken cancellationToken) =>
        walk.Inspection.SeesHidden(walk.Caller)
        || (await walk.Inspection.VerdictAsync(stored, null, Stage.Pull, cancellationToken)).Admits;

    private async ValueTask<ReferrerNode> NodeAsync(Walk walk, StoredManifest stored, int level, CancellationToken cancellationToken)
    {
        var manifest = stored.Manifest;
        var kind = ContentKinds.Of(manifest);
        var seen = walk.Verdict.Evidence.Where(e => e.Digest == stored.Digest).OrderByDescending(static e => e.Verified).FirstOrDefault();
        var found = await DetailsAsync(walk, stored, kind, cancellationToken);
        var below = level < MostLevels ? await BelowAsync(walk, stored.Digest, level + 1, cancellationToken) : [];
        return new(
            stored.Digest.ToString(), kind, manifest.ReferrerType, Sizes.Sum(manifest.Blobs.Select(static b => b.Size)),
            await walk.Inspection.FirstSeenAsync(stored.Digest), seen?.Verified,
            seen is null ? null : seen.Verified ? seen.Authority : seen.Why, found.LogIndex, found.LoggedAt, found.Text, below);
    }

    private async ValueTask<EvidenceDetails.Details> DetailsAsync(
        Walk walk, StoredManifest stored, ContentKind kind, CancellationToken cancellationToken)
    {
        if (_details.TryGet(stored.Digest, out var known)) return known;
        var cost = EvidenceDetails.CostOf(stored.Manifest, kind);
        if (cost > walk.BytesLeft) return default;
        walk.BytesLeft -= cost;
        var found = await EvidenceDetails.ReadAsync(walk.Inspection, stored.Manifest, kind, cancellationToken);
        // Nothing is cached for a document that is not here yet.
        if (found != default) _details.AddOrUpdate(stored.Digest, found);
        return found;
    }
}
