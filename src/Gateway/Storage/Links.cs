using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Which content a repository has. The index answers; what it does not know, or knows from an earlier start, the disk says: a recovered
/// index may name what was deleted since (docs/design/0002-index.md).
/// </summary>
internal sealed class Links(LinkIndex index)
{
    private const byte Alias = 1;

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
            else record = new() { Size = Disk.LengthOf(repository.Root.Data(target)) ?? -1 };
            record.Flags = target == digest ? (byte)0 : Alias;
            index.Write(key, record);
            return ToLink(record);
        }
    }

    public void Write(StoredRepository repository, LinkKind kind, Digest digest, Link link)
    {
        lock (repository.State.Links)
        {
            index.Write(Key(repository, kind, digest), new LinkRecord
            {
                Flags = link.IsAlias ? Alias : (byte)0,
                Size = link.Size,
                Revision = link.Verdict.Revision,
                Outcome = link.Verdict.Outcome,
                Until = link.Verdict.Until,
                Parent = new(link.Parent),
            });
        }
    }

    /// <summary>Takes a link away with <paramref name="remove"/>, which removes the file, and out of the index.</summary>
    public void Remove(StoredRepository repository, LinkKind kind, Digest digest, Action remove)
    {
        lock (repository.State.Links)
        {
            index.Remove(Key(repository, kind, digest));
            remove();
        }
    }

    private static LinkKey Key(StoredRepository repository, LinkKind kind, Digest digest) =>
        LinkKey.Of((byte)repository.Root.Lifetime, repository.Path, kind, digest);

    private static Link ToLink(in LinkRecord record) =>
        new(record.Size, record.Verdict, record.Parent.ToDigest(), (record.Flags & Alias) != 0);
}
