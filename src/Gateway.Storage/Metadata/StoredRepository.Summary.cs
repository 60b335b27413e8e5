namespace Gateway.Storage;

/// <summary>The size of a repository, as far as it was counted.</summary>
/// <param name="HasMoreTags">Whether there are more tags than were counted.</param>
/// <param name="Bytes">Bytes of its manifests and blobs; content that repositories share counts for each of them.</param>
/// <param name="HasMoreContent">Whether there is more content than was counted.</param>
/// <param name="ChangedAt">When a manifest was last added or removed; null when that is not known.</param>
public sealed record RepositorySummary(int Tags, bool HasMoreTags, long Bytes, bool HasMoreContent, DateTimeOffset? ChangedAt);

/// <summary>A summary of the repository, for lists.</summary>
public sealed partial class StoredRepository
{
    /// <summary>
    /// When folders of the repository last changed: equal values mean that a summary still holds. A tag that moved changes nothing here.
    /// </summary>
    public (DateTimeOffset? Tags, DateTimeOffset? Manifests, DateTimeOffset? Blobs) SummaryBasis() => (
        Disk.Find(Root.Tags(Path))?.Written,
        Disk.Find(Root.Revisions(Path, Digest.NameOf(DigestAlgorithm.Sha256)))?.Written,
        Disk.Find(Root.Layers(Path, Digest.NameOf(DigestAlgorithm.Sha256)))?.Written);

    /// <summary>Whether the repository links a blob, as its folder says: nothing is noted in the lookup index.</summary>
    public bool HasBlob(Digest digest) => Disk.HasFile(Root.BlobLink(Path, digest));

    /// <summary>
    /// The length of the file of some content in the root of this repository, or with a bucket as its link says; 0 when there is none.
    /// </summary>
    public long BytesOf(Digest digest) => Root.IsShared
        ? Math.Max(0, (FindLink(LinkKind.Manifest, digest) ?? FindLink(LinkKind.Blob, digest))?.Size ?? 0)
        : Disk.LengthOf(Root.Data(digest)) ?? 0;

    /// <summary>Counts tags and bytes on the disk, each up to a limit, so that the work is bounded.</summary>
    /// <param name="mostLinks">Manifests and blobs to measure at most.</param>
    public RepositorySummary Summarize(int mostTags, int mostLinks)
    {
        var tags = Disk.FoldersIn(Root.Tags(Path)).Take(mostTags + 1).Count();
        var (bytes, links) = (0L, 0);
        foreach (var digest in Manifests().Concat(Blobs()))
        {
            if (++links > mostLinks) break;
            bytes += BytesOf(digest);
        }
        return new(Math.Min(tags, mostTags), tags > mostTags, bytes, links > mostLinks, SummaryBasis().Manifests);
    }
}
