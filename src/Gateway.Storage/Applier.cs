using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Carries out what a change says, on files and in memory. Every operation may be carried out again: the end is the same.
/// </summary>
internal sealed class Applier(Volume volume)
{
    /// <summary>Earlier bindings that are remembered of a tag of an upstream (<see cref="IBacking.HistoryOf"/>).</summary>
    private const int MaxHistory = 16;

    /// <param name="isReplay">
    /// Whether files that have the right content already are written again: after a failed flush the kernel may show content that never
    /// reached the disk, and no later flush would write it.
    /// </param>
    public void Apply(StoredRepository repository, Operation operation, JournalRecord record, bool isReplay = false)
    {
        var (root, path, at) = (repository.Root, repository.Path, record.At);
        switch (operation)
        {
            case Operation.StoreManifest o:
                Store(repository, o, at, isReplay);
                break;
            case Operation.LinkBlob o:
                Link(repository, o, at, isReplay);
                break;
            case Operation.SetLive o:
                if (root.Lifetime == Lifetime.Cached) NoteBinding(repository, o);
                volume.Files.WriteLink(root.TagLink(path, o.Tag), o.Digest);
                repository.State.Bind(o.Tag, new(o.Digest, default) { ValidatedAt = at });
                break;
            case Operation.Validated o:
                File.SetLastWriteTimeUtc(root.TagLink(path, o.Tag), o.At.UtcDateTime);
                if (repository.Live(o.Tag) is { Live.IsEmpty: false } live) repository.State.Bind(o.Tag, live with { ValidatedAt = o.At });
                break;
            case Operation.SetVerdict o:
                if (volume.Links.Find(repository, LinkKind.Manifest, o.Digest) is { } link)
                    volume.Links.Write(repository, LinkKind.Manifest, o.Digest, link with { Verdict = o.Verdict });
                break;
            case Operation.AddReferrer o:
                if (root.Lifetime == Lifetime.Cached) volume.Eviction.Noted(o.Referrer.Digest, new(path, NoteKind.Evidence, o.Subject));
                repository.Note(o.Subject, o.Referrer);
                break;
            case Operation.StoreListed o:
                volume.Eviction.Noted(o.Subject, new(path, NoteKind.Listed, o.Subject), DiskCost.OfFile(o.Text.Length));
                volume.Files.Write(root.Listed(path, o.Subject), o.Text.Span);
                break;
            case Operation.RemoveEvidence or Operation.RemoveListed or Operation.RemoveAllEvidence or Operation.RemoveEmpty:
                CacheRemoval.Apply(volume, repository, operation);
                break;
            case Operation.AddEvidence o:
                if (root.Lifetime == Lifetime.Cached) volume.Eviction.Noted(o.Evidence, new(path, NoteKind.Evidence, o.Subject));
                var note = root.Evidence(path, o.Subject, o.Evidence);
                if (o.Counted || isReplay || !Disk.HasFile(note)) volume.Files.Write(note, o.Counted ? "counted\n"u8 : []);
                break;
            case Operation.Hold o:
                var offer = new HeldPush(o.Tag, o.Digest, record.Sequence, o.Actor, at, o.Expires, o.Missing);
                volume.Files.Write(root.HeldPush(path, o.Tag), HeldPushFile.Format(offer));
                repository.State.HeldPushes.Put(root.HeldPushes(path), offer);
                break;
            case Operation.EndHold o:
                if (Disk.HasFile(root.HeldPush(path, o.Tag))) File.Delete(root.HeldPush(path, o.Tag));
                repository.State.HeldPushes.Remove(root.HeldPushes(path), o.Tag);
                break;
            case Operation.Forward o:
                Note(repository, new(record.Sequence, at, o.Manifests, o.Tags, Refusal: null));
                break;
            case Operation.Forwarded o:
                var forward = repository.Forwards().FirstOrDefault(f => f.Sequence == o.Number);
                if (o.Refusal is not null && forward is not null) Note(repository, forward with { Refusal = o.Refusal });
                if (o.Refusal is not null) break;
                File.Delete(root.Forward(path, o.Number));
                repository.State.Forwards.Remove(root.Forwards(path), o.Number);
                break;
            case Operation.Seen o:
                // What the repository has already was seen when it came.
                var earlier = repository.FirstSeen(o.Digest) is { } known && known < o.At ? known : o.At;
                repository.State.Seen.Note(root.Seen(path), o.Digest, earlier, isReplay);
                break;
            case Operation.RemoveTag o:
                if (root.Lifetime == Lifetime.Cached) volume.Eviction.Charge(repository.LiveOf(o.Tag), -DiskCost.Tag);
                volume.Discard(root, root.Tag(path, o.Tag));
                repository.State.Unbind(o.Tag);
                break;
            case Operation.RemoveManifest o:
                Remove(repository, o);
                break;
            case Operation.RemoveBlob o:
                volume.Links.Remove(
                    repository, LinkKind.Blob, o.Digest, () => volume.Discard(root, Path.GetDirectoryName(root.BlobLink(path, o.Digest))!));
                if (root.Lifetime == Lifetime.Staged) volume.StagedContent.Unlinked(path, LinkKind.Blob, o.Digest);
                break;
            default:
                throw new InvalidOperationException($"cannot apply {operation.GetType().Name}");
        }
    }

    private void Note(StoredRepository repository, PendingForward forward)
    {
        volume.Files.Write(repository.Root.Forward(repository.Path, forward.Sequence), ForwardFile.Format(forward));
        repository.State.Forwards.Put(repository.Root.Forwards(repository.Path), forward);
    }

    private void Store(StoredRepository repository, Operation.StoreManifest o, DateTimeOffset at, bool isReplay)
    {
        if (!o.Bytes.IsEmpty && (isReplay || !Volume.Holds(repository.Root, o.Digest, o.Bytes.Span)))
            Write(repository.Root, o.Digest, o.Bytes.Span);
        if (repository.Root.Lifetime == Lifetime.Cached)
        {
            volume.Eviction.Stored(o.Digest, o.Bytes.Length);
            volume.Eviction.Noted(o.Digest, new(repository.Path, NoteKind.Manifest, o.Digest));
        }
        // A link that is there keeps its time, by which a replay tells it from one that another program wrote.
        var link = repository.Root.ManifestLink(repository.Path, o.Digest);
        if (isReplay || SmallFiles.ReadLink(link) != o.Digest) volume.Files.WriteLink(link, o.Digest, at);
        if (volume.Links.Find(repository, LinkKind.Manifest, o.Digest) is null)
            volume.Links.Write(repository, LinkKind.Manifest, o.Digest, new(o.Bytes.Length, default, default));
        volume.Catalog.Add(repository);
        if (repository.Root.Lifetime == Lifetime.Staged) volume.StagedContent.Linked(repository.Path, LinkKind.Manifest, o.Digest);
        if (repository.ReadManifest(o.Digest) is { Manifest.IsIndex: true } index) repository.State.Parents.Note(o.Digest, index.Manifest);
    }

    private void Write(Root root, Digest digest, ReadOnlySpan<byte> bytes)
    {
        try
        {
            volume.Files.Write(root.Data(digest), bytes);
            volume.Replaced(root, digest);
        }
        catch (IOException) when (Volume.Holds(root, digest, bytes))
        {
            // Replayed on a volume without room for another.
        }
    }

    private void Link(StoredRepository repository, Operation.LinkBlob o, DateTimeOffset at, bool isReplay)
    {
        var root = repository.Root;
        if (o.Upload is { } upload) volume.Uploads.MoveTo(upload, root, o.Digest);
        var known = volume.Links.Find(repository, LinkKind.Blob, o.Digest);
        // Its session was cancelled, by a client that was told "not now", before the change came to be applied.
        if (known is null && root.Lifetime != Lifetime.Cached && volume.FindContent(o.Digest, o.Size) is null) return;
        if (root.Lifetime == Lifetime.Staged) volume.StagedContent.Linked(repository.Path, LinkKind.Blob, o.Digest);
        // They went with another's last link since the change was prepared.
        if (root.Lifetime == Lifetime.Staged) volume.Borrow(root, o.Digest, o.Size);
        // A link goes with the manifest that admits the blob, which is served for it; without one with the blob.
        if (root.Lifetime == Lifetime.Cached && known is null)
            volume.Eviction.Noted(o.Parent.IsEmpty ? o.Digest : o.Parent, new(repository.Path, NoteKind.Blob, o.Digest));
        if (known is null || (isReplay && known is { IsAlias: false }))
            volume.Files.WriteLink(root.BlobLink(repository.Path, o.Digest), o.Digest, at);
        volume.Links.Write(
            repository, LinkKind.Blob, o.Digest,
            new(o.Size, default, o.Parent.IsEmpty ? known?.Parent ?? default : o.Parent, known?.IsAlias ?? false));
    }

    /// <summary>
    /// Notes what a tag of an upstream was bound to until now: the newest that passes is served when what follows does not.
    /// </summary>
    private void NoteBinding(StoredRepository repository, Operation.SetLive o)
    {
        var before = repository.LiveOf(o.Tag);
        if (before == o.Digest) return;
        volume.Eviction.Charge(o.Digest, DiskCost.Tag);
        if (before.IsEmpty) return;
        volume.Eviction.Charge(before, -DiskCost.Tag);
        var lines = repository.HistoryOf(o.Tag).Prepend(before).Where(d => d != o.Digest).Distinct().Take(MaxHistory);
        volume.Files.Write(repository.Root.History(repository.Path, o.Tag), Encoding.ASCII.GetBytes(string.Join('\n', lines) + '\n'));
    }

    private void Remove(StoredRepository repository, Operation.RemoveManifest o)
    {
        var (root, path, digest) = (repository.Root, repository.Path, o.Digest);
        foreach (var subject in o.IsEvicted ? [] : EvidenceNotes.SubjectsOf(repository, digest))
        {
            foreach (var note in new[] { root.Referrer(path, subject, digest), root.Evidence(path, subject, digest) })
            {
                if (Disk.HasFile(note)) File.Delete(note);
            }
        }
        var folder = Path.GetDirectoryName(root.ManifestLink(path, digest))!;
        volume.Links.Remove(repository, LinkKind.Manifest, digest, () => volume.Discard(root, folder));
        repository.State.Parents.Forget(digest);
        volume.Catalog.Check(repository);
        if (root.Lifetime == Lifetime.Staged) volume.StagedContent.Unlinked(path, LinkKind.Manifest, digest);
    }
}
