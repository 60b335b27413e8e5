using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Removes what no request removes: held pushes that have expired, and evidence whose subject was never pushed.</summary>
/// <param name="evaluator">The policy, which says how long both are stored.</param>
internal sealed class RepositorySweep(IBacking backing, Evaluator evaluator)
{
    /// <summary>Removes everything that has expired; nothing without a policy.</summary>
    public async ValueTask SweepAsync(CancellationToken cancellationToken)
    {
        if (evaluator.Engine.AdmitsEverything) return;
        var now = evaluator.Now;
        foreach (var held in backing.HeldPushes().Where(h => h.Expires <= now))
            await backing.TryCommitAsync(Changes.Expire(held, backing.LiveOf(held.Tag)), cancellationToken);
        if (evaluator.IsSignatureRepository) return;
        var orphaned = await backing.OrphansAsync().ToArrayAsync(cancellationToken);
        foreach (var orphans in orphaned.GroupBy(o => o.Evidence))
        {
            if (await backing.FirstSeenAsync(orphans.Key) is not { } seen || now - seen < evaluator.Quarantine.OrphanEvidenceTtl) continue;
            await RemoveOrphanAsync(orphans.Key, [.. orphans.Select(o => o.Subject)], cancellationToken);
        }
    }

    // Only what is certainly evidence: any other manifest with a missing subject may be of use by itself.
    private async ValueTask RemoveOrphanAsync(Digest evidence, Digest[] subjects, CancellationToken cancellationToken)
    {
        // Read before the gateway knows that no subject is here. A subject that is pushed meanwhile changes its version, so the removal is
        // not committed, and the subject is evaluated with the evidence.
        var versions = subjects.Select(s => (s, backing.VersionOf(s))).ToArray();
        if (await backing.ReadManifestAsync(evidence, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest }
            || !ManifestKinds.HasFormOfEvidence(manifest.Manifest))
            return;
        var closure = await evaluator.ReadAsync(manifest, cancellationToken);
        if (ManifestKinds.Of(manifest.Manifest, closure.Documents) != ManifestKind.Evidence) return;
        foreach (var subject in await backing.SubjectsOfAsync(evidence))
        {
            if (await backing.NamesOfAsync(subject, cancellationToken) is not []) return;
        }
        Operation[] removal = [.. Changes.ForgetVerdicts(subjects), new Operation.RemoveManifest(evidence)];
        await backing.TryCommitAsync(new([.. removal]) { Subjects = [.. versions] }, cancellationToken);
    }
}
