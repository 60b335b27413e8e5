using Gateway.Access;
using Gateway.Policy;
using Gateway.Repositories;

namespace Gateway.Operations.ReadModels;

/// <summary>What a rollback of a tag would do, before it is done.</summary>
/// <param name="Live">What the tag is bound to now; null when it is not bound.</param>
/// <param name="Kind">The kind of the manifest that the tag is bound to then; null when it is not stored here any more.</param>
/// <param name="Size">Bytes of its config and layers.</param>
/// <param name="Verdict">What the policy says now of a push of it under the tag; null when it is not stored here any more.</param>
public sealed record RollbackPlan(
    string Repository, string Tag, string Digest, string? Live, ContentKind? Kind, long Size, DateTimeOffset? SeenAt, VerdictView? Verdict);

/// <summary>What tags were bound to before, and what binding them again would do.</summary>
internal sealed class Rollbacks(StoredGates gates, RepositoryPages repositories, ManifestReadings readings)
{
    /// <summary>
    /// What a tag was bound to before, the latest first. Callers who do not see what the policy hides get what they could pull.
    /// </summary>
    public static async ValueTask<IReadOnlyList<EarlierRow>> HistoryAsync(
        Inspection inspection, Caller caller, TagName tag, CancellationToken cancellationToken)
    {
        var (rows, seesHidden) = (new List<EarlierRow>(), inspection.SeesHidden(caller));
        foreach (var digest in inspection.EarlierOf(tag))
        {
            if (await inspection.ReadAsync(digest, cancellationToken) is not { } stored)
            {
                if (seesHidden) rows.Add(new(digest.ToString(), null, null, null));
                continue;
            }
            if (!seesHidden && !(await inspection.VerdictAsync(stored, tag, Stage.Pull, cancellationToken)).Admits) continue;
            var verdict = await inspection.VerdictAsync(stored, tag, Stage.Push, cancellationToken);
            rows.Add(new(
                digest.ToString(), ContentKinds.Of(stored.Manifest, tag), await inspection.FirstSeenAsync(digest),
                ExplanationForm.Name(verdict.Outcome)));
        }
        return rows;
    }

    /// <summary>What a rollback would do; null when the viewer may not bind tags there, or the names are none.</summary>
    public async ValueTask<RollbackPlan?> PlanAsync(
        Viewer viewer, string repository, string tagText, string digestText, CancellationToken cancellationToken)
    {
        if (gates.Find(viewer, repository) is not var (routed, inspection)) return null;
        if (!TagName.TryParse(tagText, out var tag) || !Digest.TryParse(digestText, out var digest)) return null;
        var caller = viewer.In(routed.CanonicalName);
        if (repositories.SourceOf(routed) == "cached" || !caller.MayPush) return null;
        var live = inspection.LiveOf(tag);
        var plan = new RollbackPlan(
            routed.CanonicalName.Value, tag.Value, digest.ToString(), live.IsEmpty ? null : live.ToString(), null, 0, null, null);
        if (await inspection.ReadAsync(digest, cancellationToken) is not { } stored) return plan;
        // Who may push without an account does not see what is held: the policy decides when the tag is bound.
        var isHidden = !(await inspection.VerdictAsync(stored, null, Stage.Pull, cancellationToken)).Admits;
        if (isHidden && !inspection.SeesHidden(caller)) return null;
        var verdict = await inspection.VerdictAsync(stored, tag, Stage.Push, cancellationToken);
        return plan with
        {
            Kind = ContentKinds.Of(stored.Manifest, tag), Size = (await readings.OfAsync(inspection, stored, cancellationToken)).Size,
            SeenAt = await inspection.FirstSeenAsync(digest), Verdict = ImagePages.View(verdict, Stage.Push),
        };
    }
}
