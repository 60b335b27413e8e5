using System.Text;

namespace Gateway.Storage;

/// <summary>Stores and removes content and its links.</summary>
internal sealed partial class Applier
{
    private void Note(StoredRepository repository, PendingForward forward)
    {
        files.Write(repository.Root.Forward(repository.Path, forward.Sequence), ForwardFile.Format(forward));
        repository.State.Forwards.Put(forward);
    }

    private void Store(StoredRepository repository, Operation.StoreManifest o, DateTimeOffset at, bool isReplay)
    {
        if (!o.Bytes.IsEmpty)
        {
            var (store, put) = (content.Of(repository.Root.Lifetime), isReplay ? Put.Replayed : Put.Journaled);
            if (isReplay || !o.IsPlaced || store.FindAsync(o.Digest, o.Bytes.Length, CancellationToken.None).Wait() is null)
                store.PutAsync(o.Digest, o.Bytes, put, CancellationToken.None).Wait();
        }
        if (repository.Root.Lifetime == Lifetime.Cached)
        {
            eviction.Stored(o.Digest, o.Bytes.Length);
            eviction.Noted(o.Digest, new(repository.Path, NoteKind.Manifest, o.Digest));
        }
        // An existing link keeps its time: a replay uses it to recognize a link that another program wrote.
        var link = repository.Root.ManifestLink(repository.Path, o.Digest);
        var isWritten = SmallFiles.TryWriteNewLink(link, o.Digest, at);
        var isNew = isWritten || SmallFiles.ReadLink(link) != o.Digest;
        if (!isWritten && (isReplay || isNew)) files.WriteLink(link, o.Digest, at);
        // A link that was not there has no record: the lookup would read back what was just written.
        var known = isNew && !isReplay && !o.Bytes.IsEmpty ? null : links.Find(repository, LinkKind.Manifest, o.Digest);
        if (known is null || (known.Value.Size < 0 && o.Size >= 0))
            links.Write(repository, LinkKind.Manifest, o.Digest, new(o.Size, known?.Verdict ?? default, default));
        catalog.Add(repository);
        if (repository.Root.Lifetime == Lifetime.Staged) staged.Linked(repository.Path, LinkKind.Manifest, o.Digest);
        // What was fetched was asked for, and is soon read again. Many pushed manifests are never pulled: the first pull reads the disk.
        // Copies the bytes: they may be in a buffer of the caller.
        if (repository.Root.Lifetime == Lifetime.Cached && o.Parsed is { } parsed && !o.Bytes.IsEmpty)
            manifests.Add(new(o.Digest, parsed, o.Bytes.ToArray()));
        if (repository.State.Parents.IsUsed
            && (o.Parsed ?? repository.ReadManifest(o.Digest)?.Manifest) is { IsIndex: true } index)
            repository.State.Parents.Note(o.Digest, index);
    }

    /// <summary>
    /// Why a change must not be made: the bytes of a blob that it links were removed since it was prepared. Null when it has all of them.
    /// </summary>
    public CommitResult? Refuse(StoredRepository repository, Change change)
    {
        // The bytes of a cached blob may be fetched later.
        if (repository.Root.Lifetime == Lifetime.Cached) return null;
        foreach (var o in change.Operations.OfType<Operation.LinkBlob>())
        {
            // The upload first: most links come from one, and then no lookup is needed.
            if (!HasData(repository.Root.Lifetime, o) && links.Find(repository, LinkKind.Blob, o.Digest) is null
                && !HasBytes(repository.Root.Lifetime, o))
                return new CommitResult.Missing(o.Digest);
        }
        return null;
    }

    private bool HasData(Lifetime lifetime, Operation.LinkBlob o) =>
        o.Upload is { } upload && uploads.Of(lifetime).HasDataAsync(upload).Wait();

    private bool HasBytes(Lifetime lifetime, Operation.LinkBlob o)
    {
        // A staged link borrows the bytes of any root when it is made. A pushed link must not rest on bytes that can be evicted.
        var finding = lifetime == Lifetime.Staged
            ? content.FindAsync(o.Digest, o.Size, CancellationToken.None)
            : content.Of(lifetime).FindAsync(o.Digest, o.Size, CancellationToken.None);
        return finding.Wait() is not null;
    }

    private void Link(StoredRepository repository, Operation.LinkBlob o, DateTimeOffset at, bool isReplay)
    {
        var root = repository.Root;
        if (o.Upload is { } upload) uploads.Of(root.Lifetime).CommitAsync(upload, content.Of(root.Lifetime), o.Digest).Wait();
        var known = links.Find(repository, LinkKind.Blob, o.Digest);
        // Refuse found the bytes. They can be gone when the change could not be applied at once: the client was answered "not now" and
        // canceled its session, or a replay finds what another program removed.
        // A shared log names only bytes that are stored in the bucket.
        if (known is null && root.Lifetime != Lifetime.Cached && !root.IsShared
            && content.FindAsync(o.Digest, o.Size, CancellationToken.None).Wait() is null)
            return;
        if (root.Lifetime == Lifetime.Staged) staged.Linked(repository.Path, LinkKind.Blob, o.Digest);
        // The bytes were removed with the last link of another repository after the change was prepared.
        if (root.Lifetime == Lifetime.Staged) content.BorrowAsync(Lifetime.Staged, o.Digest, o.Size, CancellationToken.None).Wait();
        // Eviction removes the link with the manifest that admits the blob, or with the blob itself if there is none.
        if (root.Lifetime == Lifetime.Cached && known is null)
            eviction.Noted(o.Parent.IsEmpty ? o.Digest : o.Parent, new(repository.Path, NoteKind.Blob, o.Digest));
        if (known is null || (isReplay && known is { IsAlias: false }))
            files.WriteLink(root.BlobLink(repository.Path, o.Digest), o.Digest, at);
        links.Write(
            repository, LinkKind.Blob, o.Digest,
            new(o.Size, default, o.Parent.IsEmpty ? known?.Parent ?? default : o.Parent, known?.IsAlias ?? false));
    }

    /// <summary>
    /// Adds the previous binding of a tag to its history. Of an upstream's tag, the newest admitted digest of the history is served when
    /// the upstream digest is refused; a pushed tag can be rolled back.
    /// </summary>
    private void NoteBinding(StoredRepository repository, Operation.SetLive o, bool isCached)
    {
        var before = repository.LiveOf(o.Tag);
        if (before == o.Digest) return;
        if (isCached) eviction.Charge(o.Digest, DiskCost.Tag);
        if (before.IsEmpty) return;
        if (isCached) eviction.Charge(before, -DiskCost.Tag);
        var lines = repository.EarlierOf(o.Tag).Prepend(before).Where(d => d != o.Digest).Distinct().Take(MaxHistory);
        files.Write(repository.Root.History(repository.Path, o.Tag), Encoding.ASCII.GetBytes(string.Join('\n', lines) + '\n'));
    }

    private void Remove(StoredRepository repository, Operation.RemoveManifest o, DateTimeOffset at)
    {
        var (root, path, digest) = (repository.Root, repository.Path, o.Digest);
        // The tags in memory: the same change has removed all that the disk has, and the committer must not list every tag.
        foreach (var subject in o.IsEvicted ? [] : EvidenceNotes.SubjectsOf(repository, digest, repository.State.BoundTo(digest)))
        {
            foreach (var note in new[] { root.Referrer(path, subject, digest), root.Evidence(path, subject, digest) })
            {
                if (Disk.HasFile(note)) File.Delete(note);
            }
        }
        if (root.Lifetime == Lifetime.Pushed) DeletedSubjects.Note(repository, digest, at, files);
        var folder = Path.GetDirectoryName(root.ManifestLink(path, digest))!;
        links.Remove(repository, LinkKind.Manifest, digest, () => Discard(root, folder));
        repository.State.Parents.Forget(digest);
        if (repository.State.Releases.All().ContainsKey(digest))
        {
            File.Delete(root.Release(path, digest));
            repository.State.Releases.Remove(digest);
        }
        catalog.Check(repository);
        if (root.Lifetime == Lifetime.Staged) staged.Unlinked(path, LinkKind.Manifest, digest);
    }

    /// <summary>
    /// Removes a folder. A pushed one stays in the trash for a day, where it can be restored; a cached one is deleted at once.
    /// </summary>
    private void Discard(Root root, string folder)
    {
        if (root.Lifetime != Lifetime.Cached) trash.Take(folder);
        else if (Disk.HasFolder(folder)) Directory.Delete(folder, recursive: true);
    }
}
