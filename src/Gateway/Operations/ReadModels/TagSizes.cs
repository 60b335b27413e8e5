using Gateway.Repositories;

namespace Gateway.Operations.ReadModels;

/// <summary>What each tag of a repository has for itself, beside the other tags.</summary>
internal static class TagSizes
{
    // Manifests that are read: the images of some hundred indexes.
    private const int MostManifests = 3000;

    /// <summary>
    /// The bytes that only one tag needs, by tag; tags of one manifest share all of it. The second value is false when there are more
    /// manifests than were read, so that a tag may free less.
    /// </summary>
    public static async ValueTask<(Dictionary<TagName, long> Own, bool IsComplete)> OfAsync(
        Inspection inspection, IReadOnlyList<TagName> tags, CancellationToken cancellationToken)
    {
        var (blobsOf, users) = (new Dictionary<Digest, Dictionary<Digest, long>>(), new Dictionary<Digest, int>());
        var (bound, tagsOf, read) = (new Dictionary<TagName, Digest>(), new Dictionary<Digest, int>(), 0);
        foreach (var tag in tags)
        {
            if (inspection.LiveOf(tag) is not { IsEmpty: false } digest) continue;
            bound[tag] = digest;
            tagsOf[digest] = tagsOf.GetValueOrDefault(digest) + 1;
            if (blobsOf.ContainsKey(digest) || read >= MostManifests) continue;
            var blobs = new Dictionary<Digest, long>();
            var (open, seen) = (new Stack<Digest>([digest]), new HashSet<Digest>());
            while (open.TryPop(out var next) && read < MostManifests)
            {
                if (!seen.Add(next) || await inspection.ReadAsync(next, cancellationToken) is not { Manifest: var manifest }) continue;
                read++;
                foreach (var blob in manifest.Blobs) blobs[blob.Digest] = blob.Size;
                foreach (var child in manifest.Children) open.Push(child.Digest);
            }
            blobsOf[digest] = blobs;
            foreach (var blob in blobs.Keys) users[blob] = users.GetValueOrDefault(blob) + 1;
        }
        var own = blobsOf.ToDictionary(
            static each => each.Key, each => Sizes.Sum(each.Value.Where(blob => users[blob.Key] == 1).Select(static blob => blob.Value)));
        return (
            bound.Where(each => own.ContainsKey(each.Value))
                .ToDictionary(static each => each.Key, each => tagsOf[each.Value] == 1 ? own[each.Value] : 0),
            read < MostManifests);
    }
}
