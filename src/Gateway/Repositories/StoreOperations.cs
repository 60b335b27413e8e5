using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>The operations that store a manifest, whether it was pushed or fetched.</summary>
internal static class StoreOperations
{
    /// <param name="stamp">Its verdict; the default means that it is evaluated on the next pull.</param>
    /// <param name="isAdmitted">Whether pullers may pull its blobs because of it.</param>
    public static IEnumerable<Operation> Of(StoredManifest manifest, VerdictStamp stamp, bool isAdmitted, DateTimeOffset now)
    {
        yield return new Operation.Seen(manifest.Digest, now);
        // Operations run in this order. Links come before the manifest, so that a client that sees the manifest finds its blobs.
        foreach (var link in Links(manifest, isAdmitted)) yield return link;
        if (!manifest.IsStored) yield return new Operation.StoreManifest(manifest.Digest, manifest.Bytes);
        if (stamp.Revision != 0) yield return new Operation.SetVerdict(manifest.Digest, stamp);
        if (manifest.Manifest.Subject is { } subject) yield return new Operation.AddReferrer(subject.Digest, manifest.AsReferrer());
    }

    /// <summary>The links to a manifest's blobs. Links of an admitted manifest name it.</summary>
    public static IEnumerable<Operation> Links(StoredManifest manifest, bool isAdmitted) =>
        manifest.Manifest.Blobs.DistinctBy(b => b.Digest).Where(b => b.Urls.IsEmpty)
            .Select(b => new Operation.LinkBlob(b.Digest, b.Size) { Parent = isAdmitted ? manifest.Digest : default });
}
