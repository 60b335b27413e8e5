using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What nobody asks for again: tags that waited too long, and evidence whose subject never came.</summary>
internal sealed partial class Repository
{
    /// <summary>Removes what has had its time under the policy; nothing where there is none.</summary>
    public async ValueTask SweepAsync(CancellationToken cancellationToken)
    {
        if (judge.Engine.AdmitsEverything || !takesPushes) return;
        var now = clock.GetUtcNow();
        foreach (var offer in backing.HeldPushes().Where(o => o.Expires <= now))
            await TryCommitAsync(Expire(offer, backing.LiveOf(offer.Tag)), cancellationToken);
        if (judge.IsSignatureRepository(Name)) return;
        var orphaned = await backing.OrphansAsync().ToArrayAsync(cancellationToken);
        foreach (var orphans in orphaned.GroupBy(o => o.Evidence))
        {
            if (await backing.FirstSeenAsync(orphans.Key) is not { } seen || now - seen < judge.Quarantine.OrphanEvidenceTtl) continue;
            await RemoveOrphanAsync(orphans.Key, [.. orphans.Select(o => o.Subject)], cancellationToken);
        }
    }

    // Only what is nothing but evidence: anything else that refers to what is not here may mean something by itself.
    private async ValueTask RemoveOrphanAsync(Digest evidence, Digest[] subjects, CancellationToken cancellationToken)
    {
        // Read before it is known that no subject is here: a push that comes meanwhile is judged with the evidence, or without it again.
        var versions = subjects.Select(s => (s, backing.VersionOf(s))).ToArray();
        if (await backing.ReadManifestAsync(evidence, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest }
            || !ManifestKinds.HasFormOfEvidence(manifest.Manifest))
            return;
        var closure = await judge.ReadAsync(backing, manifest, null, cancellationToken);
        if (ManifestKinds.Of(manifest.Manifest, closure.Documents) != ManifestKind.Evidence) return;
        foreach (var subject in await backing.SubjectsOfAsync(evidence))
        {
            if (await backing.NamesOfAsync(subject, cancellationToken) is not []) return;
        }
        Operation[] removal = [.. subjects.Select(s => new Operation.SetVerdict(s, default)), new Operation.RemoveManifest(evidence)];
        await TryCommitAsync(new([.. removal]) { Subjects = [.. versions] }, cancellationToken);
    }
}
