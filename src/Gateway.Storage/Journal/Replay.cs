using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Applies the records that were acknowledged before a stop, in the order of their numbers; any of them may have been applied already.
/// Changes that another program has made on the volume since are preserved: a tag is moved only from the binding that its record found, and
/// a link is removed only if the gateway wrote it before the removal.
/// </summary>
/// <remarks>Each start has its own instance, which remembers the earlier records.</remarks>
internal sealed class Replay(Applier applier) : IOperationHandler<ReplayedRecord, Nothing>
{
    /// <summary>The times that the records so far gave to links; as many as the journal has records that store content.</summary>
    private readonly HashSet<(RepositoryState State, LinkKind Kind, Digest Digest, DateTimeOffset Written)> _written = [];

    /// <summary>Applies the next record.</summary>
    public void Apply(StoredRepository repository, JournalRecord record)
    {
        var of = new ReplayedRecord(repository, record);
        foreach (var operation in record.Operations) operation.Accept(this, of);
    }

    /// <summary>When a link was written, according to its file, to the millisecond as in the journal; null when there is none.</summary>
    public static DateTimeOffset? WrittenAt(string link) =>
        Disk.Find(link)?.Written is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at.ToUnixTimeMilliseconds()) : null;

    public Nothing StoreManifest(Operation.StoreManifest operation, ReplayedRecord of) =>
        Store(of, LinkKind.Manifest, operation.Digest, operation);

    public Nothing LinkBlob(Operation.LinkBlob operation, ReplayedRecord of) =>
        Store(of, LinkKind.Blob, operation.Digest, operation);

    public Nothing SetLive(Operation.SetLive operation, ReplayedRecord of)
    {
        var (found, now) = (of.NextPrevious(), Now(of.Repository, operation.Tag));
        return now.IsEmpty || now == found || now == operation.Digest ? Again(operation, of) : default;
    }

    public Nothing Hold(Operation.Hold operation, ReplayedRecord of) => Again(operation, of);

    public Nothing EndHold(Operation.EndHold operation, ReplayedRecord of) => Again(operation, of);

    public Nothing Release(Operation.Release operation, ReplayedRecord of) => Again(operation, of);

    public Nothing Forward(Operation.Forward operation, ReplayedRecord of) => Again(operation, of);

    public Nothing Forwarded(Operation.Forwarded operation, ReplayedRecord of) => Again(operation, of);

    public Nothing SetVerdict(Operation.SetVerdict operation, ReplayedRecord of) => Again(operation, of);

    public Nothing AddReferrer(Operation.AddReferrer operation, ReplayedRecord of) => Again(operation, of);

    public Nothing StoreListed(Operation.StoreListed operation, ReplayedRecord of) => Again(operation, of);

    public Nothing AddEvidence(Operation.AddEvidence operation, ReplayedRecord of) => Again(operation, of);

    public Nothing Seen(Operation.Seen operation, ReplayedRecord of) => Again(operation, of);

    public Nothing Validated(Operation.Validated operation, ReplayedRecord of) => Again(operation, of);

    public Nothing RemoveTag(Operation.RemoveTag operation, ReplayedRecord of) =>
        Now(of.Repository, operation.Tag) == of.NextPrevious() ? Once(operation, of) : default;

    public Nothing RemoveManifest(Operation.RemoveManifest operation, ReplayedRecord of) =>
        IsRemoved(of, operation, LinkKind.Manifest) ? Once(operation, of) : default;

    public Nothing RemoveEvidence(Operation.RemoveEvidence operation, ReplayedRecord of) => Again(operation, of);

    public Nothing RemoveListed(Operation.RemoveListed operation, ReplayedRecord of) => Again(operation, of);

    public Nothing RemoveAllEvidence(Operation.RemoveAllEvidence operation, ReplayedRecord of) => Again(operation, of);

    public Nothing RemoveEmpty(Operation.RemoveEmpty operation, ReplayedRecord of) => Again(operation, of);

    public Nothing RemoveBlob(Operation.RemoveBlob operation, ReplayedRecord of) =>
        IsRemoved(of, operation, LinkKind.Blob) ? Once(operation, of) : default;

    // A replay writes files again whose content looks right (Application.IsReplay).
    private Nothing Again(Operation operation, ReplayedRecord of)
    {
        applier.Apply(of.Repository, operation, of.Record, isReplay: true);
        return default;
    }

    private Nothing Once(Operation operation, ReplayedRecord of)
    {
        applier.Apply(of.Repository, operation, of.Record);
        return default;
    }

    /// <summary>Keeps the time of an existing link: this record wrote it, or an earlier or later one, or another program.</summary>
    private Nothing Store(ReplayedRecord of, LinkKind kind, Digest digest, Operation operation)
    {
        var (repository, record) = (of.Repository, of.Record);
        var written = WrittenAt(repository.Root.Link(repository.Path, kind, digest)) ?? record.At;
        applier.Apply(repository, operation, record with { At = written }, isReplay: true);
        _written.Add((repository.State, kind, digest, record.At));
        return default;
    }

    /// <summary>
    /// Whether a record removes the existing link: the one whose time it noted, or one that an earlier record of the journal wrote. Times
    /// are compared only for equality, because the clock may have been ahead, may have been set back, or may stand still. Only a record of
    /// an earlier version, which noted no time, uses the clock. If no link exists, the removal is applied again for the files that are
    /// removed with the link, such as notes of evidence.
    /// </summary>
    private bool IsRemoved(ReplayedRecord of, Operation.Removal removal, LinkKind kind)
    {
        var (repository, record) = (of.Repository, of.Record);
        return WrittenAt(repository.Root.Link(repository.Path, kind, removal.Digest)) is not { } written
            || written == removal.Written
            || _written.Contains((repository.State, kind, removal.Digest, written))
            || (removal.Written is null && written <= record.At);
    }

    private static Digest Now(StoredRepository repository, TagName tag) =>
        SmallFiles.ReadLink(repository.Root.TagLink(repository.Path, tag));
}

/// <summary>A record of the journal while it is replayed.</summary>
internal sealed class ReplayedRecord(StoredRepository repository, JournalRecord record)
{
    private int _previous;

    public StoredRepository Repository => repository;

    public JournalRecord Record => record;

    /// <summary>The previous binding of the next SetLive or RemoveTag (<see cref="JournalRecord.Previous"/>).</summary>
    public Digest NextPrevious() => record.Previous[_previous++];
}
