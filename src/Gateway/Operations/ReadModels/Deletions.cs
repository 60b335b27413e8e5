using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>What deleting some tags of a repository removes, before it is done.</summary>
/// <param name="IsCached">Whether the content is cached, so that it is purged and the next pull fetches it again.</param>
/// <param name="Bytes">Bytes that are freed at most: content that other repositories share stays.</param>
/// <param name="IsEstimate">Whether the repository has more manifests than were compared, which may share more of the content.</param>
public sealed record DeletionPlan(
    string Repository, bool IsCached, IReadOnlyList<DeletedTag> Tags, long Bytes, bool IsEstimate);

/// <summary>A tag to delete.</summary>
public sealed record DeletedTag(string Tag, string Digest);

/// <summary>Makes plans of deletions.</summary>
internal sealed class Deletions(StoredGates gates, RepositoryPages repositories, TagPages tags)
{
    /// <summary>Most tags of one deletion: as many as a page shows.</summary>
    public const int MostTags = TagPages.MostRows;

    // Other manifests of the repository that are compared.
    private const int MostCompared = 2000;

    /// <summary>The plan; null when the viewer may not delete here, or there are no such tags.</summary>
    public async ValueTask<DeletionPlan?> PlanAsync(
        Viewer viewer, string repository, IEnumerable<string> names, CancellationToken cancellationToken)
    {
        if (!RepositoryName.TryParse(repository, out var name) || gates.Find(viewer, name) is not var (routed, inspection)) return null;
        if (!tags.MayDelete(viewer, routed, viewer.In(routed.CanonicalName))) return null;
        var held = inspection.HeldPushes();
        var chosen = new List<DeletedTag>();
        var removed = new HashSet<Digest>();
        foreach (var text in names.Take(MostTags))
        {
            if (!TagName.TryParse(text, out var tag)) continue;
            var digest = inspection.LiveOf(tag);
            if (digest.IsEmpty && held.TryGetValue(tag, out var push)) digest = push.Digest;
            if (digest.IsEmpty) continue;
            chosen.Add(new(tag.Value, digest.ToString()));
            removed.Add(digest);
        }
        if (chosen.Count == 0) return null;
        var (bytes, isEstimate) = await FreedAsync(inspection, chosen, removed, cancellationToken);
        return new(routed.CanonicalName.Value, repositories.SourceOf(routed) == "cached", chosen, bytes, isEstimate);
    }

    /// <summary>The bytes of the manifests that no other tag keeps, and of their blobs that no other manifest names.</summary>
    private static async ValueTask<(long Bytes, bool IsEstimate)> FreedAsync(
        Inspection inspection, List<DeletedTag> chosen, HashSet<Digest> removed, CancellationToken cancellationToken)
    {
        var chosenTags = chosen.Select(static c => c.Tag).ToHashSet(StringComparer.Ordinal);
        foreach (var digest in removed.ToArray())
        {
            var others = await inspection.TagsOfAsync(digest, MostTags + 1, cancellationToken);
            if (others.Any(tag => !chosenTags.Contains(tag.Value))) removed.Remove(digest);
        }
        var (gone, kept, compared, isEstimate) = (new Dictionary<Digest, long>(), new HashSet<Digest>(), 0, false);
        foreach (var digest in removed.ToArray())
        {
            if (await inspection.ReadAsync(digest, cancellationToken) is not { } stored) continue;
            removed.UnionWith(stored.Manifest.Children.Select(static c => c.Digest));
        }
        await foreach (var digest in inspection.ManifestsAsync().WithCancellation(cancellationToken))
        {
            if (++compared > MostCompared)
            {
                isEstimate = true;
                break;
            }
            if (await inspection.ReadAsync(digest, cancellationToken) is not { } stored) continue;
            foreach (var blob in stored.Manifest.Blobs)
            {
                if (removed.Contains(digest)) gone[blob.Digest] = blob.Size;
                else kept.Add(blob.Digest);
            }
        }
        return (gone.Where(blob => !kept.Contains(blob.Key)).Sum(static blob => blob.Value), isEstimate);
    }
}
