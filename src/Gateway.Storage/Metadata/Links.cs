using BitFaster.Caching.Lru;

namespace Gateway.Storage;

/// <summary>
/// The content that each repository has. The lookup index answers. The disk answers when the index has no record or one of an earlier
/// start, because a recovered index may name content that was deleted since (docs/design/0002-index.md).
/// </summary>
internal sealed class Links(LinkIndex index)
{
    private const byte Alias = 1;
    private const byte Measured = 2;

    /// <summary>
    /// Entries of each cache below, some 100 to 200 bytes each. Chosen: the links of some 2,000 images, as many as are pulled at a time.
    /// </summary>
    private const int CacheSize = 16_384;

    // Sizes that were stated while the lookup index is closed or off. If a size is not here, the length of the file is used.
    private readonly ConcurrentLru<LinkKey, long> _sizes = new(CacheSize);

    // A key is a SHA-256, and a parent is a string made from bytes. Neither ever changes.
    private readonly ConcurrentLru<(RepositoryState State, LinkKind Kind, Digest Digest), LinkKey> _keys = new(CacheSize);
    private readonly ConcurrentLru<DigestKey, Digest> _parents = new(CacheSize);

    /// <summary>Reads the link of some content; null when the repository has none.</summary>
    public Link? Find(StoredRepository repository, LinkKind kind, Digest digest)
    {
        var isKnown = TryKey(repository, kind, digest, out var key);
        if (index.TryRead(key, out var record) && record.Generation == index.Generation)
        {
            // Not when it is written: much of what is pushed is never pulled.
            if (!isKnown) _keys.AddOrUpdate((repository.State, kind, digest), key);
            return ToLink(record);
        }
        lock (repository.State.Links)
        {
            var target = SmallFiles.ReadLink(repository.Root.Link(repository.Path, kind, digest));
            if (target.IsEmpty)
            {
                index.Remove(key);
                return null;
            }
            // A record of an earlier start loses its verdict: the verdict may have been revoked after the recovered state.
            if (index.TryRead(key, out record)) record = record with { Revision = 0, Outcome = 0, Until = 0 };
            else if (_sizes.TryGet(key, out var said)) record = new() { Size = said };
            else if (Disk.LengthOf(repository.Root.Data(target)) is { } length) record = new() { Size = length, Flags = Measured };
            else record = new() { Size = -1 };
            record.Flags = (byte)((record.Flags & Measured) | (target == digest ? 0 : Alias));
            index.Write(key, record);
            return ToLink(record);
        }
    }

    /// <summary>Adds a link to the lookup index; its file is written elsewhere.</summary>
    public void Write(StoredRepository repository, LinkKind kind, Digest digest, Link link)
    {
        TryKey(repository, kind, digest, out var key);
        lock (repository.State.Links)
        {
            if (!index.IsOn) NoteSize(key, link);
            index.Write(key, new LinkRecord
            {
                Flags = (byte)((link.IsAlias ? Alias : 0) | (link.IsMeasured ? Measured : 0)),
                Size = link.Size,
                Revision = link.Verdict.Revision,
                Outcome = link.Verdict.Outcome,
                Until = link.Verdict.Until,
                Parent = new(link.Parent),
            });
        }
    }

    private void NoteSize(LinkKey key, Link link)
    {
        if (link.IsMeasured || link.Size < 0) return;
        _sizes.AddOrUpdate(key, link.Size);
    }

    /// <summary>Removes a link from the lookup index, and its file with <paramref name="remove"/>.</summary>
    public void Remove(StoredRepository repository, LinkKind kind, Digest digest, Action remove)
    {
        TryKey(repository, kind, digest, out var key);
        lock (repository.State.Links)
        {
            index.Remove(key);
            _sizes.TryRemove(key);
            remove();
        }
    }

    /// <summary>The key of a link; false when it was not cached.</summary>
    private bool TryKey(StoredRepository repository, LinkKind kind, Digest digest, out LinkKey key)
    {
        if (_keys.TryGet((repository.State, kind, digest), out key)) return true;
        key = LinkKey.Of((byte)repository.Root.Lifetime, repository.Path, kind, digest);
        return false;
    }

    private Link ToLink(in LinkRecord record) =>
        new(record.Size, record.Verdict, ParentOf(record), (record.Flags & Alias) != 0, (record.Flags & Measured) != 0);

    private Digest ParentOf(in LinkRecord record)
    {
        if (record.Parent.IsEmpty) return default;
        if (_parents.TryGet(record.Parent, out var known)) return known;
        var parent = record.Parent.ToDigest();
        _parents.AddOrUpdate(record.Parent, parent);
        return parent;
    }
}
