using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>Applies a change to the files and to memory. Applying an operation twice has the same result as applying it once.</summary>
internal sealed partial class Applier(
    SmallFiles files, Links links, ManifestCache manifests, VolumeContent content, Uploads uploads, StagedContent staged, Catalog catalog,
    Holders holders, Eviction eviction, Trash trash) : IOperationHandler<Application, Nothing>
{
    /// <summary>The number of earlier bindings kept for a tag (<see cref="IRepositoryTags.EarlierOf"/>).</summary>
    private const int MaxHistory = 16;

    /// <summary>Applies one operation of a record.</summary>
    /// <param name="isReplay">See <see cref="Application.IsReplay"/>.</param>
    public void Apply(StoredRepository repository, Operation operation, JournalRecord record, bool isReplay = false)
    {
        if (operation is Operation.StoreManifest or Operation.SetLive or Operation.Hold or Operation.AddReferrer or Operation.AddEvidence)
            repository.State.Refer();
        operation.Accept(this, new Application(repository, record, isReplay));
    }

    /// <summary>Called when all records of a batch, or of a replay, are applied.</summary>
    public void EndBatch() => staged.ReleaseUnheld();

    public Nothing StoreManifest(Operation.StoreManifest operation, Application to)
    {
        Store(to.Repository, operation, to.At, to.IsReplay);
        return default;
    }

    public Nothing LinkBlob(Operation.LinkBlob operation, Application to)
    {
        Link(to.Repository, operation, to.At, to.IsReplay);
        return default;
    }

    public Nothing SetLive(Operation.SetLive operation, Application to)
    {
        if (to.Root.Lifetime != Lifetime.Staged) NoteBinding(to.Repository, operation, to.IsCached);
        files.WriteLink(to.Root.TagLink(to.Path, operation.Tag), operation.Digest);
        to.Repository.State.Bind(operation.Tag, new(operation.Digest, default) { ValidatedAt = to.At });
        return default;
    }

    public Nothing Validated(Operation.Validated operation, Application to)
    {
        File.SetLastWriteTimeUtc(to.Root.TagLink(to.Path, operation.Tag), operation.At.UtcDateTime);
        if (to.Repository.Live(operation.Tag) is { Live.IsEmpty: false } live)
            to.Repository.State.Bind(operation.Tag, live with { ValidatedAt = operation.At });
        return default;
    }

    public Nothing SetVerdict(Operation.SetVerdict operation, Application to)
    {
        if (links.Find(to.Repository, LinkKind.Manifest, operation.Digest) is { } link)
            links.Write(to.Repository, LinkKind.Manifest, operation.Digest, link with { Verdict = operation.Verdict });
        return default;
    }

    public Nothing AddReferrer(Operation.AddReferrer operation, Application to)
    {
        if (to.IsCached) eviction.Noted(operation.Referrer.Digest, new(to.Path, NoteKind.Evidence, operation.Subject));
        to.Repository.Note(operation.Subject, operation.Referrer);
        return default;
    }

    public Nothing StoreListed(Operation.StoreListed operation, Application to)
    {
        eviction.Noted(operation.Subject, new(to.Path, NoteKind.Listed, operation.Subject), DiskCost.OfFile(operation.Text.Length));
        files.Write(to.Root.Listed(to.Path, operation.Subject), operation.Text.Span);
        return default;
    }

    public Nothing AddEvidence(Operation.AddEvidence operation, Application to)
    {
        if (to.IsCached) eviction.Noted(operation.Evidence, new(to.Path, NoteKind.Evidence, operation.Subject));
        var note = to.Root.Evidence(to.Path, operation.Subject, operation.Evidence);
        if (operation.Counted || to.IsReplay || !Disk.HasFile(note)) files.Write(note, operation.Counted ? "counted\n"u8 : []);
        return default;
    }

    public Nothing Hold(Operation.Hold operation, Application to)
    {
        var held = new HeldPush(
            operation.Tag, operation.Digest, operation.Number ?? to.Record.Sequence, operation.Actor, to.At, operation.Expires,
            operation.Missing);
        files.Write(to.Root.HeldPush(to.Path, operation.Tag), HeldPushFile.Format(held));
        to.Repository.State.HeldPushes.Put(held);
        holders.Changed(to.Repository, hasSome: true);
        return default;
    }

    public Nothing EndHold(Operation.EndHold operation, Application to)
    {
        var file = to.Root.HeldPush(to.Path, operation.Tag);
        if (Disk.HasFile(file)) File.Delete(file);
        to.Repository.State.HeldPushes.Remove(operation.Tag);
        if (to.Repository.State.HeldPushes.All().IsEmpty) holders.Changed(to.Repository, hasSome: false);
        return default;
    }

    public Nothing Release(Operation.Release operation, Application to)
    {
        var release = new ManifestRelease(operation.Digest, operation.Actor, operation.Reason, to.At);
        files.Write(to.Root.Release(to.Path, operation.Digest), ReleaseFile.Format(release));
        to.Repository.State.Releases.Put(release);
        return default;
    }

    public Nothing Forward(Operation.Forward operation, Application to)
    {
        Note(to.Repository, new(to.Record.Sequence, to.At, operation.Manifests, operation.Tags, Refusal: null));
        return default;
    }

    public Nothing Forwarded(Operation.Forwarded operation, Application to)
    {
        if (operation.Refusal is { } refusal)
        {
            var forward = to.Repository.Forwards().FirstOrDefault(f => f.Sequence == operation.Number);
            if (forward is not null) Note(to.Repository, forward with { Refusal = refusal });
            return default;
        }
        File.Delete(to.Root.Forward(to.Path, operation.Number));
        to.Repository.State.Forwards.Remove(operation.Number);
        return default;
    }

    public Nothing Seen(Operation.Seen operation, Application to)
    {
        // Content that the repository already has was seen when it was stored.
        var earlier = to.Repository.FirstSeen(operation.Digest) is { } known && known < operation.At ? known : operation.At;
        to.Repository.State.Seen.Note(operation.Digest, earlier, to.IsReplay);
        return default;
    }

    public Nothing RemoveTag(Operation.RemoveTag operation, Application to)
    {
        if (to.IsCached) eviction.Charge(to.Repository.LiveOf(operation.Tag), -DiskCost.Tag);
        // The trash has what the tag was bound to; a file for each tag that ever was would only grow.
        else if (Disk.HasFile(to.Root.History(to.Path, operation.Tag))) File.Delete(to.Root.History(to.Path, operation.Tag));
        Discard(to.Root, to.Root.Tag(to.Path, operation.Tag));
        to.Repository.State.Unbind(operation.Tag);
        return default;
    }

    public Nothing RemoveManifest(Operation.RemoveManifest operation, Application to)
    {
        Remove(to.Repository, operation, to.At);
        return default;
    }

    public Nothing RemoveBlob(Operation.RemoveBlob operation, Application to)
    {
        var folder = Path.GetDirectoryName(to.Root.BlobLink(to.Path, operation.Digest))!;
        links.Remove(to.Repository, LinkKind.Blob, operation.Digest, () => Discard(to.Root, folder));
        if (to.Root.Lifetime == Lifetime.Staged) staged.Unlinked(to.Path, LinkKind.Blob, operation.Digest);
        return default;
    }

    public Nothing RemoveEvidence(Operation.RemoveEvidence operation, Application to)
    {
        CacheRemoval.RemoveEvidence(to.Repository, operation);
        return default;
    }

    public Nothing RemoveListed(Operation.RemoveListed operation, Application to)
    {
        CacheRemoval.RemoveListed(to.Repository, operation);
        return default;
    }

    public Nothing RemoveAllEvidence(Operation.RemoveAllEvidence operation, Application to)
    {
        CacheRemoval.RemoveAllEvidence(files, to.Repository);
        return default;
    }

    public Nothing RemoveEmpty(Operation.RemoveEmpty operation, Application to)
    {
        CacheRemoval.RemoveEmpty(files, to.Repository);
        return default;
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

/// <summary>The result of a handler that returns nothing.</summary>
internal readonly record struct Nothing;
