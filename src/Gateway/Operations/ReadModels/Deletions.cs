using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>What deleting some tags of a repository removes, before it is done.</summary>
/// <param name="IsCached">Whether the content is cached, so that it is purged and the next pull fetches it again.</param>
/// <param name="Freed">
/// When the bytes are freed: <c>atOnce</c>; <c>afterTrash</c>, when a collection has moved them to the trash and they leave it;
/// <c>byCollection</c>, when a collection removes them from the bucket; <c>never</c>, because no collection removes content from the
/// bucket; or <c>byUpstream</c>, which deletes first. Collections remove manifests without a tag only on request.
/// </param>
/// <param name="Bytes">Bytes that nothing else needs.</param>
/// <param name="SharedBytes">Bytes of theirs that stay, because other tags or other repositories need them.</param>
/// <param name="IsEstimate">
/// Whether fewer bytes may be freed: there are more tags, manifests or repositories than were compared.
/// </param>
/// <param name="Changed">Tags that are bound to another manifest than the one that was confirmed, so that they are not deleted.</param>
public sealed record DeletionPlan(
    string Repository, bool IsCached, string Freed, IReadOnlyList<DeletedTag> Tags, long Bytes, long SharedBytes, bool IsEstimate,
    IReadOnlyList<string> Changed);

/// <summary>A tag to delete.</summary>
public sealed record DeletedTag(string Tag, string Digest)
{
    /// <summary>The tag and what a person saw it bound to, as a form sends it back: <c>tag@digest</c>.</summary>
    public string Confirmed => $"{Tag}@{Digest}";
}

/// <summary>Makes plans of deletions.</summary>
internal sealed class Deletions(
    StoredGates gates, RepositoryPages repositories, TagPages tags, Elsewhere elsewhere, ConfigurationInForce inForce)
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
        if (gates.Find(viewer, repository) is not var (routed, inspection)) return null;
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
        var (gone, kept, isEstimate) = await FreedAsync(inspection, chosen, removed, cancellationToken);
        // Whether another repository has given content is a matter of the operator.
        var (shared, isComplete) = viewer.IsOperator
            ? await elsewhere.FindAsync(routed.CanonicalName, gone.Keys, cancellationToken) : ([], false);
        var source = repositories.SourceOf(routed);
        return new(
            routed.CanonicalName.Value, source == "cached", FreedOf(source), chosen,
            Sizes.Sum(gone.Where(blob => !shared.Contains(blob.Key)).Select(static blob => blob.Value)),
            Sizes.Sum(gone.Where(blob => shared.Contains(blob.Key)).Select(static blob => blob.Value).Append(kept)),
            isEstimate || !isComplete, changed);
    }

    private string FreedOf(string source) => (source, inForce.Current.Storage.S3) switch
    {
        ("cached", _) => "atOnce",
        ("fronted", _) => "byUpstream",
        ("stored", { Collects: var collects }) => collects ? "byCollection" : "never",
        _ => "afterTrash",
    };

    /// <summary>
    /// The blobs of the manifests that no other tag keeps, without those that another manifest names, and the bytes of the latter.
    /// </summary>
    private static async ValueTask<(Dictionary<Digest, long> Gone, long Kept, bool IsEstimate)> FreedAsync(
        Inspection inspection, List<DeletedTag> chosen, HashSet<Digest> removed, CancellationToken cancellationToken)
    {
        var chosenTags = chosen.Select(static c => c.Tag).ToHashSet(StringComparer.Ordinal);
        var isEstimate = await KeepTaggedAsync(inspection, removed, chosenTags, cancellationToken);
        var below = new HashSet<Digest>();
        foreach (var digest in removed)
        {
            if (await inspection.ReadAsync(digest, cancellationToken) is { } stored)
                below.UnionWith(stored.Manifest.Children.Select(static c => c.Digest));
        }
        if (below.Count > 0) isEstimate |= await KeepTaggedAsync(inspection, below, chosenTags, cancellationToken);
        removed.UnionWith(below);
        var (ending, kept, stillNamed) = (new List<(Digest Digest, Manifest Manifest)>(), new HashSet<Digest>(), new HashSet<Digest>());
        var compared = 0;
        await foreach (var digest in inspection.ManifestsAsync().WithCancellation(cancellationToken))
        {
            if (++compared > MostCompared)
            {
                isEstimate = true;
                break;
            }
            if (await inspection.ReadAsync(digest, cancellationToken) is not { Manifest: var manifest }) continue;
            if (removed.Contains(digest))
            {
                ending.Add((digest, manifest));
                continue;
            }
            kept.UnionWith(manifest.Blobs.Select(static blob => blob.Digest));
            stillNamed.UnionWith(manifest.Children.Select(static child => child.Digest));
        }
        // An index that stays keeps its images.
        foreach (var (_, manifest) in ending.Where(each => stillNamed.Contains(each.Digest)))
            kept.UnionWith(manifest.Blobs.Select(static blob => blob.Digest));
        var (gone, stays) = (new Dictionary<Digest, long>(), new Dictionary<Digest, long>());
        foreach (var blob in ending.SelectMany(static each => each.Manifest.Blobs))
            (kept.Contains(blob.Digest) ? stays : gone)[blob.Digest] = blob.Size;
        return (gone, Sizes.Sum(stays.Values), isEstimate);
    }

    // Leaves out the manifests that a tag keeps which is not to be deleted. True when there are more tags than were looked at.
    private static async ValueTask<bool> KeepTaggedAsync(
        Inspection inspection, HashSet<Digest> manifests, HashSet<string> chosen, CancellationToken cancellationToken)
    {
        var (bound, hasMore) = await inspection.TagsOfAsync(manifests, int.MaxValue, cancellationToken);
        manifests.ExceptWith(bound.Where(each => !chosen.Contains(each.Tag.Value)).Select(static each => each.Digest));
        return hasMore;
    }
}
