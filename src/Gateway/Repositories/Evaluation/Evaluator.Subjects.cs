using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Hides what is about a held manifest, whatever its own verdict is: a signature reveals the digest of the held image, and an SBOM its
/// content.
/// </summary>
internal sealed partial class Evaluator
{
    /// <summary>How far evidence about evidence is followed; deeper evidence is hidden. Chosen: one step is usual, two occur.</summary>
    private const int MaxDepth = 4;

    /// <summary>Whether a manifest may be about another one: then its own verdict does not decide alone whether pullers see it.</summary>
    public static bool MayBeAboutOthers(Manifest manifest) => manifest.Subject is not null || ManifestKinds.HasFormOfEvidence(manifest);

    /// <summary>The verdict that hides what is about a subject; null when pullers see the subject, or it was not pushed here.</summary>
    public async ValueTask<Verdict?> OfHeldSubjectAsync(Digest subject, CancellationToken cancellationToken) =>
        Engine.AdmitsEverything || subject.IsEmpty ? null : (await OfSubjectAsync(subject, 0, null, cancellationToken)).Held;

    /// <summary>The same in a dry run, which counts and notes nothing.</summary>
    /// <param name="verdictOf">The pull verdict of a manifest that is about no other one, from a dry run.</param>
    public async ValueTask<Verdict?> TryHeldSubjectAsync(
        Digest subject, Func<StoredManifest, ValueTask<Verdict>> verdictOf,
        CancellationToken cancellationToken) =>
        Engine.AdmitsEverything || subject.IsEmpty
            ? null
            : (await OfSubjectAsync(subject, 0, verdictOf, cancellationToken)).Held;

    /// <summary>
    /// The pull verdict of a stored manifest, with those of its subjects, in a dry run. <c>IsLasting</c> is false when it is about subjects
    /// that are not here, so that it must not be cached.
    /// </summary>
    /// <param name="own">The manifest's own verdict, from a dry run.</param>
    /// <param name="verdictOf">The pull verdict of a manifest that is about no other one, from a dry run.</param>
    public async ValueTask<(Verdict Verdict, bool IsLasting)> TryWithSubjectsAsync(
        StoredManifest manifest, Verdict own, Func<StoredManifest, ValueTask<Verdict>> verdictOf,
        CancellationToken cancellationToken)
    {
        var (verdict, subjects) = await WithSubjectsAsync(manifest, own, 0, verdictOf, cancellationToken);
        return (verdict, subjects is not null);
    }

    /// <summary>
    /// The worse of a manifest's own verdict and those of its subjects, with the versions that this rests on. The versions are null when it
    /// is about subjects that are not here.
    /// </summary>
    /// <param name="verdictOf">In a dry run, the pull verdict of a manifest that is about no other one; null in a request.</param>
    private async ValueTask<(Verdict Verdict, List<(Digest Subject, long Version)>? Subjects)> WithSubjectsAsync(
        StoredManifest manifest, Verdict own, int depth,
        Func<StoredManifest, ValueTask<Verdict>>? verdictOf, CancellationToken cancellationToken)
    {
        var versions = new List<(Digest, long)>();
        // An upstream itself decides which callers see its content.
        if (!own.Admits || !MayBeAboutOthers(manifest.Manifest) || !backing.IsPushed(manifest.Digest)) return (own, versions);
        var subjects = ManifestKinds.HasFormOfEvidence(manifest.Manifest)
            ? await backing.SubjectsOfAsync(manifest.Digest)
            : [manifest.Manifest.Subject!.Digest];
        Verdict? held = null;
        var (isAnyHere, until) = (false, own.Until);
        foreach (var subject in subjects)
        {
            versions.Add((subject, backing.VersionOf(subject)));
            var (isHere, found, subjectUntil) = await OfSubjectAsync(subject, depth, verdictOf, cancellationToken);
            if (isHere && found is null) return (own with { Until = Verdicts.Earlier(until, subjectUntil) }, versions);
            isAnyHere |= isHere;
            held ??= found;
        }
        return (held ?? own, isAnyHere || subjects.Count == 0 ? versions : null);
    }

    private async ValueTask<(bool IsHere, Verdict? Held, DateTimeOffset? Until)> OfSubjectAsync(
        Digest subject, int depth, Func<StoredManifest, ValueTask<Verdict>>? verdictOf,
        CancellationToken cancellationToken)
    {
        Verdict? worst = null;
        foreach (var digest in await backing.NamesOfAsync(subject, cancellationToken))
        {
            if (!backing.IsPushed(digest)
                || await backing.ReadManifestAsync(digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var stored })
                continue;
            var verdict = await OfOneAsync(stored, depth, verdictOf, cancellationToken);
            if (verdict.Admits) return (true, null, verdict.Until);
            worst = worst is null ? verdict : Verdicts.Worse(worst, verdict);
        }
        return (worst is not null, worst is null ? null : Held(worst), null);
    }

    private async ValueTask<Verdict> OfOneAsync(
        StoredManifest stored, int depth, Func<StoredManifest, ValueTask<Verdict>>? verdictOf,
        CancellationToken cancellationToken)
    {
        // A manifest without a subject has a cached pull verdict. Others are not cached, because two may be about each other.
        if (!MayBeAboutOthers(stored.Manifest))
            return verdictOf is null ? await OfStoredAsync(stored, null, cancellationToken) : await verdictOf(stored);
        var closure = await ReadAsync(stored, cancellationToken);
        var own = verdictOf is null
            ? await AskAsync(closure, Stage.Pull, null, cancellationToken)
            : await TryAsync(closure, Stage.Pull, null, cancellationToken);
        return depth == MaxDepth
            ? own with { Outcome = own.Admits ? Outcome.Quarantine : own.Outcome }
            : (await WithSubjectsAsync(stored, own, depth + 1, verdictOf, cancellationToken)).Verdict;
    }

    private Verdict Held(Verdict subject) => new(
        subject.Outcome, Engine.Revision,
        [
            new(
                "gate", ReasonCodes.SubjectHeld, "it is about a manifest that is held here; sign that manifest",
                subject.Outcome),
        ])
    {
        Until = subject.Until, Unknown = subject.Unknown, CouldBeMended = subject.CouldBeMended,
    };

    /// <summary>
    /// Whether a tag accepts only promotions: an enforced rule of the stage promote, and of neither push nor tag, is about it.
    /// </summary>
    public bool IsProtected(TagName tag) => Engine.Policy?.Rules.Any(rule =>
        rule.Stages.Contains(Stage.Promote) && !rule.Stages.Contains(Stage.Push) && !rule.Stages.Contains(Stage.Tag)
        && rule.Mode == RuleMode.Enforce && rule.IsAbout(name)
        && (rule.IncludeTags.IsEmpty || Glob.IsMatch(rule.IncludeTags, tag.Value))
        && !Glob.IsMatch(rule.ExcludeTags, tag.Value)) == true;
}
