using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Removes the evidence about manifests that were deleted, after the grace time. Evidence stays if it is about a manifest that exists,
/// has a tag of its own, is held, is named by an index, or was pushed after the deletion. All evidence of a signature repository stays: it
/// may be about content of other repositories.
/// </summary>
internal sealed class EvidenceCollection(RecentUses uses, CollectionRequest request, CollectionTally tally, WorkPace pace)
{
    private long _since;

    /// <summary>Collects the evidence of one repository.</summary>
    /// <param name="gone">Receives what was removed, or would be.</param>
    public async Task RunAsync(StoredRepository repository, DigestSet gone, CancellationToken stop)
    {
        if (request.SignatureRepositories.Contains(repository.Path)) return;
        _since = repository.State.Referrals;
        foreach (var (subject, at) in DeletedSubjects.In(repository).ToArray())
        {
            await pace.RestAsync(stop);
            if (Exists(repository, subject))
            {
                // It was pushed again.
                if (!request.IsDryRun) DeletedSubjects.Forget(repository, subject);
                continue;
            }
            if (uses.IsYoung(at) || uses.IsRecent(subject)) tally.Recent++;
            else await RunAsync(repository, subject, at, gone, stop);
        }
    }

    private async Task RunAsync(StoredRepository repository, Digest subject, DateTimeOffset at, DigestSet gone, CancellationToken stop)
    {
        var remaining = 0;
        foreach (var evidence in Listed(repository, subject).Where(e => Exists(repository, e)).ToArray())
        {
            await pace.RestAsync(stop);
            // Evidence that was pushed after the deletion is not what the note is about: its subject may be pushed later.
            if (Disk.Find(repository.Root.ManifestLink(repository.Path, evidence)) is not { Written: var pushed } || pushed > at) continue;
            if (await IsNeededAsync(repository, evidence, subject, gone))
            {
                // It is removed when its own tag, hold or index is gone.
                remaining++;
                continue;
            }
            if (!request.MayRemove(evidence) || uses.IsRecent(evidence)
                || (!request.IsDryRun && !await TryRemoveAsync(repository, evidence, subject, stop)))
            {
                (tally.Recent, remaining) = (tally.Recent + 1, remaining + 1);
                continue;
            }
            gone.Add(evidence);
            tally.Manifest(repository, evidence);
        }
        if (remaining == 0 && !request.IsDryRun) DeletedSubjects.Forget(repository, subject);
    }

    // The index under the fallback tag is removed before the evidence that it names.
    private static IEnumerable<Digest> Listed(StoredRepository repository, Digest subject)
    {
        var evidence = EvidenceNotes.List(repository, subject);
        return repository.LiveOf(Referrers.FallbackTag(subject)) is { IsEmpty: false } index ? evidence.Prepend(index) : evidence;
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
        return subject.IsEmpty ? tag != Referrers.FallbackTag(deleted)
            : subject != deleted && !DeletedSubjects.Has(repository, subject);
    }

    // A subject that is pushed again keeps its evidence: its push is in use until it is committed, and then it exists.
    private async Task<bool> TryRemoveAsync(StoredRepository repository, Digest evidence, Digest subject, CancellationToken stop) =>
        await repository.CommitAsync(
            new([new Operation.RemoveManifest(evidence)])
            {
                IsStillAllowed = () => !uses.IsRecent(evidence) && !uses.IsRecent(subject) && repository.IsUnreferred(_since),
            }, stop) is CommitResult.Committed;

    private static bool Exists(StoredRepository repository, Digest manifest) =>
        Disk.HasFile(repository.Root.ManifestLink(repository.Path, manifest));
}
