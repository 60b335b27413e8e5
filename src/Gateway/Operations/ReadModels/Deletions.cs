using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>What deleting some tags of a repository removes, before it is done.</summary>
/// <param name="IsCached">Whether the content is cached, so that it is purged and the next pull fetches it again.</param>
/// <param name="Bytes">Bytes that are freed at most: content that other repositories share stays.</param>
/// <param name="IsEstimate">Whether the repository has more tags and manifests than were compared, which may share more content.</param>
/// <param name="Changed">Tags that are bound to another manifest than the one that was confirmed, so that they are not deleted.</param>
public sealed record DeletionPlan(
    string Repository, bool IsCached, IReadOnlyList<DeletedTag> Tags, long Bytes, bool IsEstimate, IReadOnlyList<string> Changed);

/// <summary>A tag to delete.</summary>
public sealed record DeletedTag(string Tag, string Digest)
{
    /// <summary>The tag and what a person saw it bound to, as a form sends it back: <c>tag@digest</c>.</summary>
    public string Confirmed => $"{Tag}@{Digest}";
}

/// <summary>Makes plans of deletions.</summary>
internal sealed class Deletions(StoredGates gates, RepositoryPages repositories, TagPages tags)
{
    /// <summary>Most tags of one deletion: as many as a page shows.</summary>
    public const int MostTags = TagPages.MostRows;

    // Other manifests of the repository that are compared.
    private const int MostCompared = 2000;

    /// <summary>The plan; null when the viewer may not delete here, or there are no such tags.</summary>
    /// <param name="names">Each a tag, or <see cref="DeletedTag.Confirmed"/>.</param>
    public async ValueTask<DeletionPlan?> PlanAsync(
        Viewer viewer, string repository, IEnumerable<string> names, CancellationToken cancellationToken)
    {
        if (!RepositoryName.TryParse(repository, out var name) || gates.Find(viewer, name) is not var (routed, inspection)) return null;
        if (!tags.MayDelete(viewer, routed, viewer.In(routed.CanonicalName))) return null;
        var held = inspection.HeldPushes();
        var chosen = new List<DeletedTag>();
        var changed = new List<string>();
        var removed = new HashSet<Digest>();
        foreach (var text in names.Take(MostTags))
        {
            // No tag contains an "@".
            var parts = text.Split('@', 2);
            if (!TagName.TryParse(parts[0], out var tag)) continue;
            var digest = inspection.LiveOf(tag);
            if (digest.IsEmpty && held.TryGetValue(tag, out var push)) digest = push.Digest;
            if (digest.IsEmpty) continue;
            if (parts is [_, var confirmed] && confirmed != digest.ToString())
            {
                changed.Add(tag.Value);
                continue;
            }
            chosen.Add(new(tag.Value, digest.ToString()));
            removed.Add(digest);
        }
        if (chosen.Count + changed.Count == 0) return null;
        var (bytes, isEstimate) = await FreedAsync(inspection, chosen, removed, cancellationToken);
        return new(routed.CanonicalName.Value, repositories.SourceOf(routed) == "cached", chosen, bytes, isEstimate, changed);
    }

    /// <summary>The bytes of the manifests that no other tag keeps, and of their blobs that no other manifest names.</summary>
    private static async ValueTask<(long Bytes, bool IsEstimate)> FreedAsync(
        Inspection inspection, List<DeletedTag> chosen, HashSet<Digest> removed, CancellationToken cancellationToken)
    {
        var chosenTags = chosen.Select(static c => c.Tag).ToHashSet(StringComparer.Ordinal);
        var (bound, isEstimate) = await inspection.TagsOfAsync(removed, int.MaxValue, cancellationToken);
        foreach (var (tag, digest) in bound)
        {
            if (!chosenTags.Contains(tag.Value)) removed.Remove(digest);
        }
        var (gone, kept, compared) = (new Dictionary<Digest, long>(), new HashSet<Digest>(), 0);
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
        return (Sizes.Sum(gone.Where(blob => !kept.Contains(blob.Key)).Select(static blob => blob.Value)), isEstimate);
    }
}
