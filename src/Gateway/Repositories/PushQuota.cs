using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Counts what a repository may still hold, and how much evidence it may still store, before a push is committed. The change states how
/// many more were allowed at that moment, so that concurrent pushes together do not exceed a limit.
/// </summary>
/// <param name="evaluator">The policy, which has the limits.</param>
internal sealed class PushQuota(IBacking backing, Evaluator evaluator)
{
    private const string LimitReferrers = "LIMIT_REFERRERS";

    /// <summary>The room for what a push adds, or a refusal. Content that is stored already may be pushed again.</summary>
    public async ValueTask<(Room? Room, Verdict? Full)> FindRoomAsync(
        Arrival arrival, StoredManifest manifest, ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        if (evaluator.Engine.AdmitsEverything) return (null, null);
        // Read before anything is counted: what is added meanwhile may be counted twice, but is never missed.
        var at = backing.Additions;
        var adding = arrival.Tags.Count(t => !t.Verdict.Admits);
        long spare = long.MaxValue;
        if (adding > 0)
        {
            var now = evaluator.Now;
            var others = backing.HeldPushes().Count(h => h.Expires > now && !tags.Contains(h.Tag));
            var most = evaluator.Quarantine.MaxPendingPerRepo;
            spare = most - others - adding;
            if (spare < 0)
                return (null, evaluator.Deny(
                    "LIMIT_PENDING",
                    $"expected at most {most} held tags in {evaluator.Name} (policy.quarantine.maxPendingPerRepo), got {others} already; "
                    + "sign or delete some first"));
        }
        Digest[] subjects =
            manifest.Manifest.Subject is { } own ? [own.Digest] : [.. EvidenceReview.TaggedSubjects(manifest, tags)];
        var isNew = subjects.Length > 0 && await backing.ReadLinkAsync(manifest.Digest, LinkKind.Manifest, cancellationToken) is null;
        Verdict? crowded = null;
        foreach (var subject in isNew ? subjects : [])
        {
            var (remaining, full) = await FindRoomAboutAsync(subject, cancellationToken);
            if (full is not null && !IsAboutReferrers(full)) return (null, full);
            crowded ??= full;
            spare = Math.Min(spare, remaining);
        }
        if (crowded is not null) return (null, crowded);
        return (adding > 0 || isNew ? new(at, spare, Math.Max(adding, isNew ? 1 : 0)) : null, null);
    }

    /// <summary>Whether a refusal is for the referrers of one subject, and no other limit would be exceeded.</summary>
    public static bool IsAboutReferrers(Verdict full) => full.Reasons is [{ Code: LimitReferrers }];

    /// <summary>How many manifests about a subject may follow one that is pushed now, or a refusal of that one.</summary>
    private async ValueTask<(long Remaining, Verdict? Full)> FindRoomAboutAsync(Digest subject, CancellationToken cancellationToken)
    {
        var (perSubject, orphans) = (evaluator.Quarantine.MaxReferrersPerSubject, evaluator.Quarantine.MaxOrphansPerRepo);
        var noted = await backing.EvidenceAsync(subject, cancellationToken);
        var known = noted is Result<IReadOnlyList<Digest>>.Found { Value.Count: var count } ? count : 0;
        if (known >= perSubject)
            return (0, evaluator.Deny(
                LimitReferrers,
                $"expected at most {perSubject} manifests about {subject} in {evaluator.Name} (policy.quarantine.maxReferrersPerSubject), "
                + $"got {known} already; delete some first"));
        // The subjects of a signature repository are in other repositories.
        if (evaluator.IsSignatureRepository || await backing.NamesOfAsync(subject, cancellationToken) is not [])
            return (perSubject - known - 1, null);
        var absent = await backing.OrphansAsync().Select(static o => o.Evidence).Distinct().Take(orphans).CountAsync(cancellationToken);
        return absent < orphans
            ? (Math.Min(perSubject - known, orphans - absent) - 1, null)
            : (0, evaluator.Deny(
                "LIMIT_ORPHANS",
                $"expected at most {orphans} manifests about missing subjects in {evaluator.Name} (policy.quarantine.maxOrphansPerRepo), "
                + "got more; push their subjects, or delete some"));
    }
}
