using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// How much may wait in a repository, and be said in it. It is counted before a change is made, and the change states how many more fitted
/// then: of many pushes at once no more are committed than there is room for.
/// </summary>
internal sealed partial class Repository
{
    /// <summary>The room for what a push adds; or a refusal, where there is none. What is here already may be pushed again.</summary>
    private async ValueTask<(Room? Room, Verdict? Full)> FindRoomAsync(
        Arrival arrival, StoredManifest manifest, ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        if (judge.Engine.AdmitsEverything) return (null, null);
        // Before anything is counted: what is added meanwhile may be counted twice, and never not at all.
        var at = backing.Additions;
        var waiting = arrival.Tags.Count(t => !t.Verdict.Admits);
        long spare = long.MaxValue;
        if (waiting > 0)
        {
            var now = clock.GetUtcNow();
            var others = backing.HeldPushes().Count(o => o.Expires > now && !tags.Contains(o.Tag));
            var most = judge.Quarantine.MaxPendingPerRepo;
            spare = most - others - waiting;
            if (spare < 0)
                return (null, Denied(
                    "LIMIT_PENDING",
                    $"{others} tags of {Name} wait already, policy.quarantine.maxPendingPerRepo is {most}; sign or delete some first"));
        }
        Digest[] subjects = manifest.Manifest.Subject is { } own ? [own.Digest] : [.. TaggedSubjects(manifest, tags)];
        var isNew = subjects.Length > 0 && await backing.ReadLinkAsync(manifest.Digest, LinkKind.Manifest, cancellationToken) is null;
        foreach (var subject in isNew ? subjects : [])
        {
            var (left, full) = await FindRoomAboutAsync(subject, cancellationToken);
            if (full is not null) return (null, full);
            spare = Math.Min(spare, left);
        }
        return (waiting > 0 || isNew ? new(at, spare, Math.Max(waiting, isNew ? 1 : 0)) : null, null);
    }

    /// <summary>How many more manifests may be about a subject, beside one that comes; or a refusal of that one.</summary>
    private async ValueTask<(long Left, Verdict? Full)> FindRoomAboutAsync(Digest subject, CancellationToken cancellationToken)
    {
        var (perSubject, orphans) = (judge.Quarantine.MaxReferrersPerSubject, judge.Quarantine.MaxOrphansPerRepo);
        var noted = await backing.EvidenceAsync(subject, cancellationToken);
        var known = noted is Result<IReadOnlyList<Digest>>.Found { Value.Count: var count } ? count : 0;
        if (known >= perSubject)
            return (0, Denied(
                "LIMIT_REFERRERS",
                $"{known} manifests of {Name} refer to {subject} already, policy.quarantine.maxReferrersPerSubject is {perSubject}; "
                + "delete some first"));
        // The subjects of signatures in a signature repository are in other repositories.
        if (judge.IsSignatureRepository(Name) || await backing.NamesOfAsync(subject, cancellationToken) is not [])
            return (perSubject - known - 1, null);
        var absent = await backing.OrphansAsync().Select(static o => o.Evidence).Distinct().Take(orphans).CountAsync(cancellationToken);
        return absent < orphans
            ? (Math.Min(perSubject - known, orphans - absent) - 1, null)
            : (0, Denied(
                "LIMIT_ORPHANS",
                $"{orphans} manifests of {Name} refer to what is not there, as policy.quarantine.maxOrphansPerRepo allows; "
                + "push what they are about, or delete some"));
    }
}
