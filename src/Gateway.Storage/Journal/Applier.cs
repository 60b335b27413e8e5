using System.Text;

namespace Gateway.Storage;

/// <summary>Applies a change to the files and to memory. Applying an operation twice has the same result as applying it once.</summary>
internal sealed partial class Applier(
    SmallFiles files, Links links, ManifestCache manifests, VolumeContent content, Uploads uploads, StagedContent staged, Catalog catalog,
    Holders holders, Eviction eviction, Trash trash)
{
    /// <summary>The number of earlier bindings kept for a tag (<see cref="IRepositoryTags.EarlierOf"/>).</summary>
    private const int MaxHistory = 16;

    /// <summary>Applies one operation of a record.</summary>
    /// <param name="isReplay">See <see cref="Application.IsReplay"/>.</param>
    public void Apply(StoredRepository repository, Operation operation, JournalRecord record, bool isReplay = false)
    {
        if (operation is Operation.StoreManifest or Operation.SetLive or Operation.Hold or Operation.AddReferrer or Operation.AddEvidence)
            repository.State.Refer();
        var to = new Application(repository, record, isReplay);
        switch (operation)
        {
            case Operation.StoreManifest o: Store(repository, o, to.At, isReplay); break;
            case Operation.LinkBlob o: Link(repository, o, to.At, isReplay); break;
            case Operation.SetLive o: SetLive(o, to); break;
            case Operation.Validated o: Validated(o, to); break;
            case Operation.SetVerdict o: SetVerdict(o, to); break;
            case Operation.AddReferrer o: AddReferrer(o, to); break;
            case Operation.StoreListed o: StoreListed(o, to); break;
            case Operation.AddEvidence o: AddEvidence(o, to); break;
            case Operation.Hold o: Hold(o, to); break;
            case Operation.EndHold o: EndHold(o, to); break;
            case Operation.Release o: Release(o, to); break;
            case Operation.Forward o: Note(repository, new(record.Sequence, to.At, o.Manifests, o.Tags, Refusal: null)); break;
            case Operation.Forwarded o: Forwarded(o, to); break;
            case Operation.Seen o: Seen(o, to); break;
            case Operation.RemoveTag o: RemoveTag(o, to); break;
            case Operation.RemoveManifest o: Remove(repository, o, to.At); break;
            case Operation.RemoveBlob o: RemoveBlob(o, to); break;
            case Operation.RemoveEvidence o: CacheRemoval.RemoveEvidence(repository, o); break;
            case Operation.RemoveListed o: CacheRemoval.RemoveListed(repository, o); break;
            case Operation.RemoveAllEvidence: CacheRemoval.RemoveAllEvidence(files, repository); break;
            case Operation.RemoveEmpty: CacheRemoval.RemoveEmpty(files, repository); break;
            default: throw Operation.Unknown(operation);
        }
    }

    /// <summary>Called when all records of a batch, or of a replay, are applied.</summary>
    public void EndBatch() => staged.ReleaseUnheld();

    private void SetLive(Operation.SetLive operation, Application to)
    {
        if (to.Root.Lifetime != Lifetime.Staged) NoteBinding(to.Repository, operation, to.IsCached);
        files.WriteLink(to.Root.TagLink(to.Path, operation.Tag), operation.Digest);
        to.Repository.State.Bind(operation.Tag, new(operation.Digest, default) { ValidatedAt = to.At });
    }

    private static void Validated(Operation.Validated operation, Application to)
    {
        File.SetLastWriteTimeUtc(to.Root.TagLink(to.Path, operation.Tag), operation.At.UtcDateTime);
        if (to.Repository.Live(operation.Tag) is { Live.IsEmpty: false } live)
            to.Repository.State.Bind(operation.Tag, live with { ValidatedAt = operation.At });
    }

    private void SetVerdict(Operation.SetVerdict operation, Application to)
    {
        if (links.Find(to.Repository, LinkKind.Manifest, operation.Digest) is { } link)
            links.Write(to.Repository, LinkKind.Manifest, operation.Digest, link with { Verdict = operation.Verdict });
    }

    private void AddReferrer(Operation.AddReferrer operation, Application to)
    {
        if (to.IsCached) eviction.Noted(operation.Referrer.Digest, new(to.Path, NoteKind.Evidence, operation.Subject));
        to.Repository.Note(operation.Subject, operation.Referrer);
    }

    private void StoreListed(Operation.StoreListed operation, Application to)
    {
        eviction.Noted(operation.Subject, new(to.Path, NoteKind.Listed, operation.Subject), DiskCost.OfFile(operation.Text.Length));
        files.Write(to.Root.Listed(to.Path, operation.Subject), operation.Text.Span);
    }

    private void AddEvidence(Operation.AddEvidence operation, Application to)
    {
        if (to.IsCached) eviction.Noted(operation.Evidence, new(to.Path, NoteKind.Evidence, operation.Subject));
        var note = to.Root.Evidence(to.Path, operation.Subject, operation.Evidence);
        if (operation.Counted || to.IsReplay || !Disk.HasFile(note)) files.Write(note, operation.Counted ? "counted\n"u8 : []);
    }

    private void Hold(Operation.Hold operation, Application to)
    {
        var held = new HeldPush(
            operation.Tag, operation.Digest, operation.Number ?? to.Record.Sequence, operation.Actor, to.At, operation.Expires,
            operation.Missing);
        files.Write(to.Root.HeldPush(to.Path, operation.Tag), HeldPushFile.Format(held));
        to.Repository.State.HeldPushes.Put(held);
        holders.Changed(to.Repository, hasSome: true);
    }

    private void EndHold(Operation.EndHold operation, Application to)
    {
        var file = to.Root.HeldPush(to.Path, operation.Tag);
        if (Disk.HasFile(file)) File.Delete(file);
        to.Repository.State.HeldPushes.Remove(operation.Tag);
        if (to.Repository.State.HeldPushes.All().IsEmpty) holders.Changed(to.Repository, hasSome: false);
    }

    private void Release(Operation.Release operation, Application to)
    {
        var release = new ManifestRelease(operation.Digest, operation.Actor, operation.Reason, to.At);
        files.Write(to.Root.Release(to.Path, operation.Digest), ReleaseFile.Format(release));
        to.Repository.State.Releases.Put(release);
    }

    private void Forwarded(Operation.Forwarded operation, Application to)
    {
        if (operation.Refusal is { } refusal)
        {
            var forward = to.Repository.Forwards().FirstOrDefault(f => f.Sequence == operation.Number);
            if (forward is not null) Note(to.Repository, forward with { Refusal = refusal });
            return;
        }
        File.Delete(to.Root.Forward(to.Path, operation.Number));
        to.Repository.State.Forwards.Remove(operation.Number);
    }

    private static void Seen(Operation.Seen operation, Application to)
    {
        // Content that the repository already has was seen when it was stored.
        var earlier = to.Repository.FirstSeen(operation.Digest) is { } known && known < operation.At ? known : operation.At;
        to.Repository.State.Seen.Note(operation.Digest, earlier, to.IsReplay);
    }

    private void RemoveTag(Operation.RemoveTag operation, Application to)
    {
        if (to.IsCached) eviction.Charge(to.Repository.LiveOf(operation.Tag), -DiskCost.Tag);
        // The trash has what the tag was bound to; a file for each tag that ever was would only grow.
        else if (Disk.HasFile(to.Root.History(to.Path, operation.Tag))) File.Delete(to.Root.History(to.Path, operation.Tag));
        Discard(to.Root, to.Root.Tag(to.Path, operation.Tag));
        to.Repository.State.Unbind(operation.Tag);
    }

    private void RemoveBlob(Operation.RemoveBlob operation, Application to)
    {
        var folder = Path.GetDirectoryName(to.Root.BlobLink(to.Path, operation.Digest))!;
        links.Remove(to.Repository, LinkKind.Blob, operation.Digest, () => Discard(to.Root, folder));
        if (to.Root.Lifetime == Lifetime.Staged) staged.Unlinked(to.Path, LinkKind.Blob, operation.Digest);
    }
}

/// <summary>Where an operation is applied, and for which record.</summary>
/// <param name="IsReplay">
/// Whether to write files again that already have the right content. After a failed flush, the kernel may show content that never reached
/// the disk, and a later flush would not write it.
/// </param>
internal readonly record struct Application(StoredRepository Repository, JournalRecord Record, bool IsReplay)
{
    public Root Root => Repository.Root;

    public string Path => Repository.Path;

    public DateTimeOffset At => Record.At;

    public bool IsCached => Root.Lifetime == Lifetime.Cached;
}
