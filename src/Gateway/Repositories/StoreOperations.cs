using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What keeping a manifest changes, whoever brought it.</summary>
internal static class StoreOperations
{
    /// <param name="stamp">Its verdict; none leaves it to be judged.</param>
    /// <param name="isAdmitted">Whether its blobs are for pullers by it.</param>
    public static IEnumerable<Operation> Of(StoredManifest manifest, VerdictStamp stamp, bool isAdmitted, DateTimeOffset now)
    {
        yield return new Operation.Seen(manifest.Digest, now);
        // Before the manifest: who sees that finds its blobs, for a change is carried out in this order.
        foreach (var link in Links(manifest, isAdmitted)) yield return link;
        if (!manifest.IsStored) yield return new Operation.StoreManifest(manifest.Digest, manifest.Bytes);
        if (stamp.Revision != 0) yield return new Operation.SetVerdict(manifest.Digest, stamp);
        if (manifest.Manifest.Subject is { } subject) yield return new Operation.AddReferrer(subject.Digest, Referrers.Describe(manifest));
    }

    /// <summary>The links to a manifest's blobs; those of one that is admitted say so.</summary>
    public static IEnumerable<Operation> Links(StoredManifest manifest, bool isAdmitted) =>
        manifest.Manifest.Blobs.DistinctBy(b => b.Digest).Where(b => b.Urls.IsEmpty)
            .Select(b => new Operation.LinkBlob(b.Digest, b.Size) { Parent = isAdmitted ? manifest.Digest : default });
}
