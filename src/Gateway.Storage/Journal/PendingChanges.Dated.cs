namespace Gateway.Storage;

/// <summary>When links were written, from the first removal of a batch on.</summary>
internal sealed partial class PendingChanges
{
    /// <summary>
    /// Gives a removal the time of the link that it removes. Records the time of each link that is written, for the following operations.
    /// </summary>
    private Operation Dated(StoredRepository repository, Operation operation, DateTimeOffset at)
    {
        var (root, path) = (repository.Root, repository.Path);
        switch (operation)
        {
            case Operation.StoreManifest o:
                NoteWritten(root.ManifestLink(path, o.Digest), at);
                return o;
            case Operation.LinkBlob o:
                NoteWritten(root.BlobLink(path, o.Digest), at);
                return o;
            case Operation.RemoveManifest o:
                return o with { Written = TakeWritten(root.ManifestLink(path, o.Digest)) };
            case Operation.RemoveBlob o:
                return o with { Written = TakeWritten(root.BlobLink(path, o.Digest)) };
            default:
                return operation;
        }
    }

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
