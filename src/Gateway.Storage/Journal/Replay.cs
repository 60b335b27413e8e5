namespace Gateway.Storage;

/// <summary>
/// Applies the records that were acknowledged before a stop, in the order of their numbers; any of them may have been applied already.
/// Changes that another program has made on the volume since are preserved: a tag is moved only from the binding that its record found, and
/// a link is removed only if the gateway wrote it before the removal.
/// </summary>
/// <remarks>Each start has its own instance, which remembers the earlier records.</remarks>
internal sealed class Replay(Applier applier)
{
    /// <summary>The times that the records so far gave to links; as many as the journal has records that store content.</summary>
    private readonly HashSet<(RepositoryState State, LinkKind Kind, Digest Digest, DateTimeOffset Written)> _written = [];

    /// <summary>Applies the next record.</summary>
    public void Apply(StoredRepository repository, JournalRecord record)
    {
        var previous = 0;
        foreach (var operation in record.Operations)
        {
            switch (operation)
            {
                case Operation.StoreManifest o:
                    Store(repository, record, LinkKind.Manifest, o.Digest, o);
                    break;
                case Operation.LinkBlob o:
                    Store(repository, record, LinkKind.Blob, o.Digest, o);
                    break;
                case Operation.SetLive o:
                    var (found, now) = (record.Previous[previous++], Now(repository, o.Tag));
                    if (now.IsEmpty || now == found || now == o.Digest) applier.Apply(repository, o, record, isReplay: true);
                    break;
                case Operation.RemoveTag o:
                    if (Now(repository, o.Tag) == record.Previous[previous++]) applier.Apply(repository, o, record);
                    break;
                case Operation.Removal o:
                    if (IsRemoved(repository, record, o)) applier.Apply(repository, o, record);
                    break;
                default:
                    // A replay writes files again whose content looks right (Application.IsReplay).
                    applier.Apply(repository, operation, record, isReplay: true);
                    break;
            }
        }
    }

    /// <summary>When a link was written, according to its file, to the millisecond as in the journal; null when there is none.</summary>
    public static DateTimeOffset? WrittenAt(string link) =>
        Disk.Find(link)?.Written is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at.ToUnixTimeMilliseconds()) : null;

    /// <summary>Keeps the time of an existing link: this record wrote it, or an earlier or later one, or another program.</summary>
    private void Store(StoredRepository repository, JournalRecord record, LinkKind kind, Digest digest, Operation operation)
    {
        var written = WrittenAt(repository.Root.Link(repository.Path, kind, digest)) ?? record.At;
        applier.Apply(repository, operation, record with { At = written }, isReplay: true);
        _written.Add((repository.State, kind, digest, record.At));
    }

    /// <summary>
    /// Whether a record removes the existing link: the one whose time it noted, or one that an earlier record of the journal wrote. Times
    /// are compared only for equality, because the clock may have been ahead, may have been set back, or may stand still. Only a record of
    /// an earlier version, which noted no time, uses the clock. If no link exists, the removal is applied again for the files that are
    /// removed with the link, such as notes of evidence.
    /// </summary>
    private bool IsRemoved(StoredRepository repository, JournalRecord record, Operation.Removal removal)
    {
        var kind = removal is Operation.RemoveManifest ? LinkKind.Manifest : LinkKind.Blob;
        return WrittenAt(repository.Root.Link(repository.Path, kind, removal.Digest)) is not { } written
            || written == removal.Written
            || _written.Contains((repository.State, kind, removal.Digest, written))
            || (removal.Written is null && written <= record.At);
    }

    private static Digest Now(StoredRepository repository, TagName tag) =>
        SmallFiles.ReadLink(repository.Root.TagLink(repository.Path, tag));
}
