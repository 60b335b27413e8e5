namespace Gateway.Storage;

/// <summary>
/// Gives a removal the time of the link that it removes. Records the time of each link that is written, for the following operations.
/// </summary>
internal sealed partial class PendingChanges : IOperationHandler<Dating, Operation>
{
    public Operation StoreManifest(Operation.StoreManifest operation, Dating context)
    {
        NoteWritten(context.Root.ManifestLink(context.Path, operation.Digest), context.At);
        return operation;
    }

    public Operation LinkBlob(Operation.LinkBlob operation, Dating context)
    {
        NoteWritten(context.Root.BlobLink(context.Path, operation.Digest), context.At);
        return operation;
    }

    public Operation SetLive(Operation.SetLive operation, Dating context) => operation;

    public Operation Hold(Operation.Hold operation, Dating context) => operation;

    public Operation EndHold(Operation.EndHold operation, Dating context) => operation;

    public Operation Release(Operation.Release operation, Dating context) => operation;

    public Operation Forward(Operation.Forward operation, Dating context) => operation;

    public Operation Forwarded(Operation.Forwarded operation, Dating context) => operation;

    public Operation SetVerdict(Operation.SetVerdict operation, Dating context) => operation;

    public Operation AddReferrer(Operation.AddReferrer operation, Dating context) => operation;

    public Operation StoreListed(Operation.StoreListed operation, Dating context) => operation;

    public Operation AddEvidence(Operation.AddEvidence operation, Dating context) => operation;

    public Operation Seen(Operation.Seen operation, Dating context) => operation;

    public Operation Validated(Operation.Validated operation, Dating context) => operation;

    public Operation RemoveTag(Operation.RemoveTag operation, Dating context) => operation;

    public Operation RemoveManifest(Operation.RemoveManifest operation, Dating context) =>
        operation with { Written = TakeWritten(context.Root.ManifestLink(context.Path, operation.Digest)) };

    public Operation RemoveEvidence(Operation.RemoveEvidence operation, Dating context) => operation;

    public Operation RemoveListed(Operation.RemoveListed operation, Dating context) => operation;

    public Operation RemoveAllEvidence(Operation.RemoveAllEvidence operation, Dating context) => operation;

    public Operation RemoveEmpty(Operation.RemoveEmpty operation, Dating context) => operation;

    public Operation RemoveBlob(Operation.RemoveBlob operation, Dating context) =>
        operation with { Written = TakeWritten(context.Root.BlobLink(context.Path, operation.Digest)) };

    // An existing link is not written again. Only a removal in the same batch must know whether the link exists: the disk is asked then.
    private void NoteWritten(string link, DateTimeOffset at)
    {
        if (!_written.TryGetValue(link, out var later)) _stored.TryAdd(link, at);
        else if (later == default) _written[link] = at;
    }

    private DateTimeOffset TakeWritten(string link)
    {
        var written = _written.TryGetValue(link, out var later) ? later : Replay.WrittenAt(link) ?? _stored.GetValueOrDefault(link);
        _written[link] = default;
        return written;
    }
}

/// <summary>The repository of an operation, and the time of its change.</summary>
internal readonly record struct Dating(StoredRepository Repository, DateTimeOffset At)
{
    public Root Root => Repository.Root;

    public string Path => Repository.Path;
}
