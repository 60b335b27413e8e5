using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>The manifests that stay staged after a change.</summary>
/// <param name="Has">Whether a manifest stays staged.</param>
/// <param name="AnyArrived">Whether the upstream has received a manifest of the change.</param>
internal readonly record struct StagedManifests(Func<Digest, bool> Has, bool AnyArrived);

/// <summary>
/// Whether each operation of a push changes the staged root; otherwise it changes the cached root. What is noted about a manifest is
/// where the manifest is. Held pushes are always staged.
/// </summary>
internal sealed class StagedOperations : IOperationHandler<StagedManifests, bool>
{
    public static readonly StagedOperations Instance = new();

    public bool StoreManifest(Operation.StoreManifest operation, StagedManifests staged) => staged.Has(operation.Digest);

    public bool LinkBlob(Operation.LinkBlob operation, StagedManifests staged) =>
        (operation.Parent.IsEmpty && !staged.AnyArrived) || staged.Has(operation.Parent);

    public bool SetLive(Operation.SetLive operation, StagedManifests staged) => staged.Has(operation.Digest);

    public bool Hold(Operation.Hold operation, StagedManifests staged) => true;

    public bool EndHold(Operation.EndHold operation, StagedManifests staged) => true;

    public bool Release(Operation.Release operation, StagedManifests staged) => staged.Has(operation.Digest);

    public bool Forward(Operation.Forward operation, StagedManifests staged) => false;

    public bool Forwarded(Operation.Forwarded operation, StagedManifests staged) => false;

    public bool SetVerdict(Operation.SetVerdict operation, StagedManifests staged) => staged.Has(operation.Digest);

    public bool AddReferrer(Operation.AddReferrer operation, StagedManifests staged) => staged.Has(operation.Referrer.Digest);

    public bool StoreListed(Operation.StoreListed operation, StagedManifests staged) => false;

    public bool AddEvidence(Operation.AddEvidence operation, StagedManifests staged) => staged.Has(operation.Evidence);

    public bool Seen(Operation.Seen operation, StagedManifests staged) => staged.Has(operation.Digest);

    public bool Validated(Operation.Validated operation, StagedManifests staged) => false;

    public bool RemoveTag(Operation.RemoveTag operation, StagedManifests staged) => false;

    public bool RemoveManifest(Operation.RemoveManifest operation, StagedManifests staged) => false;

    public bool RemoveEvidence(Operation.RemoveEvidence operation, StagedManifests staged) => false;

    public bool RemoveListed(Operation.RemoveListed operation, StagedManifests staged) => false;

    public bool RemoveAllEvidence(Operation.RemoveAllEvidence operation, StagedManifests staged) => false;

    public bool RemoveEmpty(Operation.RemoveEmpty operation, StagedManifests staged) => false;

    public bool RemoveBlob(Operation.RemoveBlob operation, StagedManifests staged) => false;
}
