using System.Collections.Concurrent;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Which content a repository has. The index answers; what it does not know, or knows from an earlier start, the disk says: a recovered
/// index may name what was deleted since (docs/design/0002-index.md).
/// </summary>
public sealed class Links(LinkIndex index)
{
    private const byte Alias = 1;
    private const byte Measured = 2;

    /// <summary>Sizes that are remembered while the index is closed or off; some 100 bytes each. Of more the file is believed.</summary>
    private const int MaxSizes = 16_384;

    private readonly ConcurrentDictionary<LinkKey, long> _sizes = new();

    public Link? Find(StoredRepository repository, LinkKind kind, Digest digest)
    {
        var key = Key(repository, kind, digest);
        if (index.TryRead(key, out var record) && record.Generation == index.Generation) return ToLink(record);
        lock (repository.State.Links)
        {
            var target = SmallFiles.ReadLink(repository.Root.Link(repository.Path, kind, digest));
            if (target.IsEmpty)
            {
                index.Remove(key);
                return null;
            }
            // A record of an earlier start loses its verdict: what took it away since may be younger than what the index recovered.
            if (index.TryRead(key, out record)) record = record with { Revision = 0, Outcome = 0, Until = 0 };
            else if (_sizes.TryGetValue(key, out var said)) record = new() { Size = said };
            else if (Disk.LengthOf(repository.Root.Data(target)) is { } length) record = new() { Size = length, Flags = Measured };
            else record = new() { Size = -1 };
            record.Flags = (byte)((record.Flags & Measured) | (target == digest ? 0 : Alias));
            index.Write(key, record);
            return ToLink(record);
        }
    }

    public void Write(StoredRepository repository, LinkKind kind, Digest digest, Link link)
    {
        var key = Key(repository, kind, digest);
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
        if (_sizes.Count >= MaxSizes) _sizes.Clear();
        _sizes[key] = link.Size;
    }

    /// <summary>Takes a link away with <paramref name="remove"/>, which removes the file, and out of the index.</summary>
    public void Remove(StoredRepository repository, LinkKind kind, Digest digest, Action remove)
    {
        lock (repository.State.Links)
        {
            index.Remove(Key(repository, kind, digest));
            _sizes.TryRemove(Key(repository, kind, digest), out _);
            remove();
        }
    }

    private static LinkKey Key(StoredRepository repository, LinkKind kind, Digest digest) =>
        LinkKey.Of((byte)repository.Root.Lifetime, repository.Path, kind, digest);

    private static Link ToLink(in LinkRecord record) =>
        new(record.Size, record.Verdict, record.Parent.ToDigest(), (record.Flags & Alias) != 0, (record.Flags & Measured) != 0);
}
