using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// What is about something that pullers may not have is not theirs either, whatever is said of itself: a signature tells the digest of the
/// image that waits for it, an SBOM what is in it.
/// </summary>
internal sealed partial class Judge
{
    /// <summary>
    /// How far evidence about evidence is followed; beyond it nothing is shown. Chosen: one step is usual, two happen.
    /// </summary>
    private const int MaxDepth = 4;

    /// <summary>Whether a manifest may be about another: then its own verdict is not all that pullers depend on.</summary>
    public static bool MayBeAboutOthers(Manifest manifest) => manifest.Subject is not null || ManifestKinds.HasFormOfEvidence(manifest);

    /// <summary>
    /// The verdict by which what is about a subject is hidden; null where the subject is shown, or was not pushed here.
    /// </summary>
    public async ValueTask<Verdict?> OfHeldAsync(
        IBacking backing, RepositoryName name, Digest subject, CancellationToken cancellationToken) =>
        engine.AdmitsEverything || subject.IsEmpty ? null : (await OfSubjectAsync(backing, name, subject, 0, cancellationToken)).Held;

    /// <summary>
    /// The worse of a manifest's own verdict and those of what it is about, with the versions that this rests on; null for these where it
    /// is about something that is not here.
    /// </summary>
    private async ValueTask<(Verdict Verdict, List<(Digest Subject, long Version)>? Subjects)> WithSubjectsAsync(
        IBacking backing, RepositoryName name, StoredManifest manifest, Verdict own, int depth, CancellationToken cancellationToken)
    {
        var versions = new List<(Digest, long)>();
        // What is at an upstream is seen there.
        if (!own.Admits || !MayBeAboutOthers(manifest.Manifest) || !backing.IsPushed(manifest.Digest)) return (own, versions);
        var subjects = ManifestKinds.HasFormOfEvidence(manifest.Manifest)
            ? await backing.SubjectsOfAsync(manifest.Digest)
            : [manifest.Manifest.Subject!.Digest];
        Verdict? held = null;
        var (isAnyHere, until) = (false, own.Until);
        foreach (var subject in subjects)
        {
            versions.Add((subject, backing.VersionOf(subject)));
            var (isHere, found, subjectUntil) = await OfSubjectAsync(backing, name, subject, depth, cancellationToken);
            if (isHere && found is null) return (own with { Until = Verdicts.Earlier(until, subjectUntil) }, versions);
            isAnyHere |= isHere;
            held ??= found;
        }
        return (held ?? own, isAnyHere || subjects.Count == 0 ? versions : null);
    }

    private async ValueTask<(bool IsHere, Verdict? Held, DateTimeOffset? Until)> OfSubjectAsync(
        IBacking backing, RepositoryName name, Digest subject, int depth, CancellationToken cancellationToken)
    {
        Verdict? worst = null;
        foreach (var digest in await backing.NamesOfAsync(subject, cancellationToken))
        {
            if (!backing.IsPushed(digest)
                || await backing.ReadManifestAsync(digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var stored })
                continue;
            var verdict = await OfOneAsync(backing, name, stored, depth, cancellationToken);
            if (verdict.Admits) return (true, null, verdict.Until);
            worst = worst is null ? verdict : Verdicts.Worse(worst, verdict);
        }
        return (worst is not null, worst is null ? null : Held(worst), null);
    }

    private async ValueTask<Verdict> OfOneAsync(
        IBacking backing, RepositoryName name, StoredManifest stored, int depth, CancellationToken cancellationToken)
    {
        // What is about nothing else is asked about as for any pull, and remembered. Any other is not: two may be about each other.
        if (!MayBeAboutOthers(stored.Manifest)) return await OfStoredAsync(backing, name, stored, null, cancellationToken);
        var closure = await ReadAsync(backing, stored, null, cancellationToken);
        var own = await AskAsync(closure, name, Stage.Pull, null, cancellationToken);
        return depth == MaxDepth
            ? own with { Outcome = own.Admits ? Outcome.Quarantine : own.Outcome }
            : (await WithSubjectsAsync(backing, name, stored, own, depth + 1, cancellationToken)).Verdict;
    }

    private Verdict Held(Verdict subject) => new(
        subject.Outcome, engine.Revision,
        [
            new(
                "gate", ReasonCodes.SubjectHeld, "it is about a manifest that is held here, and is shown when that is; sign that",
                subject.Outcome),
        ])
    {
        Until = subject.Until, Unknown = subject.Unknown, CouldBeMended = subject.CouldBeMended,
    };
}
