namespace Gateway.Storage;

/// <summary>
/// Removes the evidence about manifests that were deleted, after the grace time. Evidence stays if it is about a manifest that exists,
/// has a tag of its own, is held, is named by an index, or was pushed after the deletion. All evidence of a signature repository stays: it
/// may be about content of other repositories.
/// </summary>
internal sealed class EvidenceCollection(CollectionRun run)
{
    private long _since;

    /// <summary>Collects the evidence of one repository.</summary>
    /// <param name="gone">Receives what was removed, or would be.</param>
    public async Task RunAsync(StoredRepository repository, DigestSet gone)
    {
        if (run.Request.SignatureRepositories.Contains(repository.Path)) return;
        _since = repository.State.Referrals;
        foreach (var (subject, at) in DeletedSubjects.In(repository).ToArray())
        {
            await run.RestAsync();
            if (Exists(repository, subject))
            {
                // It was pushed again.
                if (!run.Request.IsDryRun) DeletedSubjects.Forget(repository, subject);
                continue;
            }
            if (run.Uses.IsYoung(at) || run.Uses.IsRecent(subject)) run.Tally.Recent++;
            else await RunAsync(repository, subject, at, gone);
        }
    }

    private async Task RunAsync(StoredRepository repository, Digest subject, DateTimeOffset at, DigestSet gone)
    {
        var remaining = 0;
        foreach (var evidence in Listed(repository, subject).Where(e => Exists(repository, e)).ToArray())
        {
            await run.RestAsync();
            // Evidence that was pushed after the deletion is not what the note is about: its subject may be pushed later.
            if (Disk.Find(repository.Root.ManifestLink(repository.Path, evidence)) is not { Written: var pushed } || pushed > at) continue;
            if (await IsNeededAsync(repository, evidence, subject, gone))
            {
                // It is removed when its own tag, hold or index is gone.
                remaining++;
                continue;
            }
            if (!run.Request.MayRemove(evidence) || run.Uses.IsRecent(evidence)
                || (!run.Request.IsDryRun && !await TryRemoveAsync(repository, evidence, subject)))
            {
                (run.Tally.Recent, remaining) = (run.Tally.Recent + 1, remaining + 1);
                continue;
            }
            gone.Add(evidence);
            run.Tally.Manifest(repository, evidence);
        }
        if (remaining == 0 && !run.Request.IsDryRun) DeletedSubjects.Forget(repository, subject);
    }

    // The index under the fallback tag is removed before the evidence that it names.
    private static IEnumerable<Digest> Listed(StoredRepository repository, Digest subject)
    {
        var evidence = EvidenceNotes.List(repository, subject);
        return repository.LiveOf(EvidenceTag.BareOf(subject)) is { IsEmpty: false } index ? evidence.Prepend(index) : evidence;
    }

    private static async ValueTask<bool> IsNeededAsync(StoredRepository repository, Digest evidence, Digest about, DigestSet gone)
    {
        if (repository.HeldPushes().Any(held => held.Digest == evidence)) return true;
        if (EvidenceNotes.SubjectsOf(repository, evidence).Any(subject => Exists(repository, subject))) return true;
        if (repository.TagsOf(evidence).Any(tag => IsOwn(repository, tag, evidence, about))) return true;
        return (await repository.IndexesOfAsync(evidence)).Any(index => Exists(repository, index) && !gone.Contains(index));
    }

    // Whether a tag of some evidence keeps it: any tag, except one that is about a deleted subject.
    private static bool IsOwn(StoredRepository repository, TagName tag, Digest evidence, Digest deleted)
    {
        var subject = EvidenceNotes.SubjectOf(tag, evidence);
        return subject.IsEmpty ? tag != EvidenceTag.BareOf(deleted)
            : subject != deleted && !DeletedSubjects.Has(repository, subject);
    }

    // A subject that is pushed again keeps its evidence: its push is in use until it is committed, and then it exists.
    private async Task<bool> TryRemoveAsync(StoredRepository repository, Digest evidence, Digest subject) =>
        await repository.CommitAsync(
            new([new Operation.RemoveManifest(evidence)])
            {
                IsStillAllowed = () => !run.Uses.IsRecent(evidence) && !run.Uses.IsRecent(subject) && repository.IsUnreferred(_since),
            }, run.Stop) is CommitResult.Committed;

    private static bool Exists(StoredRepository repository, Digest manifest) =>
        Disk.HasFile(repository.Root.ManifestLink(repository.Path, manifest));
}
