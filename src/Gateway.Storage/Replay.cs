using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Carries out the records that were acknowledged before a stop, in the order of their numbers; any of them may have been carried out
/// already. What another program has changed on the volume since then stays: a tag is moved only from where its record found it, and a
/// link is removed only if the gateway wrote it before the removal.
/// </summary>
/// <remarks>One for each start: it remembers which records came before the one that is replayed.</remarks>
internal sealed class Replay(Applier applier)
{
    /// <summary>The times that the records so far gave to links. As many as the journal has records that store something.</summary>
    private readonly HashSet<(RepositoryState State, LinkKind Kind, Digest Digest, DateTimeOffset Written)> _written = [];

    /// <summary>Carries out the next record.</summary>
    public void Apply(StoredRepository repository, JournalRecord record)
    {
        var previous = 0;
        foreach (var operation in record.Operations)
        {
            switch (operation)
            {
                case Operation.SetLive o:
                    var (found, now) = (record.Previous[previous++], Now(repository, o.Tag));
                    if (now.IsEmpty || now == found || now == o.Digest) applier.Apply(repository, operation, record, isReplay: true);
                    break;
                case Operation.RemoveTag o:
                    if (Now(repository, o.Tag) == record.Previous[previous++]) applier.Apply(repository, operation, record);
                    break;
                case Operation.Removal o:
                    if (IsRemoved(repository, o, record)) applier.Apply(repository, operation, record);
                    break;
                case Operation.StoreManifest o:
                    Store(repository, LinkKind.Manifest, o.Digest, operation, record);
                    break;
                case Operation.LinkBlob o:
                    Store(repository, LinkKind.Blob, o.Digest, operation, record);
                    break;
                default:
                    applier.Apply(repository, operation, record, isReplay: true);
                    break;
            }
        }
    }

    /// <summary>When a link was written, as its file says, to the millisecond, as the journal has it; null where there is none.</summary>
    public static DateTimeOffset? WrittenAt(string link) =>
        Disk.Find(link)?.Written is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at.ToUnixTimeMilliseconds()) : null;

    /// <summary>Keeps the time of a link that is there: this record wrote it, or an earlier or later one, or another program.</summary>
    private void Store(StoredRepository repository, LinkKind kind, Digest digest, Operation operation, JournalRecord record)
    {
        var written = WrittenAt(repository.Root.Link(repository.Path, kind, digest)) ?? record.At;
        applier.Apply(repository, operation, record with { At = written }, isReplay: true);
        _written.Add((repository.State, kind, digest, record.At));
    }

    /// <summary>
    /// Whether a record removes the link that is there: the one whose time it noted, or one that an earlier record of the journal wrote.
    /// Times are compared for equality only, because the clock may have been ahead, may have been set back, or may stand still; only a
    /// record of an earlier version, which noted no time, falls back on the clock. Where no link is there, the removal is carried out
    /// again for what goes with the link, such as notes of evidence.
    /// </summary>
    private bool IsRemoved(StoredRepository repository, Operation.Removal removal, JournalRecord record)
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
