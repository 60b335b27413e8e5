using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>How an operation changes the version numbers on which verdicts rest (<see cref="IRepositoryEvidence.VersionOf"/>).</summary>
/// <param name="Subject">The subject whose version rises; empty for none.</param>
/// <param name="RaisesAll">Whether it may concern any subject: the number of the latest change rises.</param>
/// <param name="Loses">Whether something is removed that an admitting verdict may rest on.</param>
internal readonly record struct VersionEffect(Digest Subject, bool RaisesAll = false, bool Loses = false);

/// <summary>The effect of each operation on version numbers.</summary>
internal sealed class VersionEffects : IOperationHandler<Lifetime, VersionEffect>
{
    private static readonly VersionEffects Instance = new();

    /// <summary>The effect of an operation on a repository in a root of this lifetime.</summary>
    public static VersionEffect Of(Operation operation, Lifetime lifetime) => operation.Accept(Instance, lifetime);

    public VersionEffect StoreManifest(Operation.StoreManifest operation, Lifetime context) => new(default, RaisesAll: true);

    public VersionEffect LinkBlob(Operation.LinkBlob operation, Lifetime context) => default;

    public VersionEffect SetLive(Operation.SetLive operation, Lifetime context) => new(SubjectOf(operation.Tag));

    public VersionEffect Hold(Operation.Hold operation, Lifetime context) => new(operation.Digest);

    public VersionEffect EndHold(Operation.EndHold operation, Lifetime context) => default;

    public VersionEffect Release(Operation.Release operation, Lifetime context) => new(operation.Digest);

    public VersionEffect Forward(Operation.Forward operation, Lifetime context) => default;

    public VersionEffect Forwarded(Operation.Forwarded operation, Lifetime context) => default;

    // The removal of evidence leaves an unknown verdict.
    public VersionEffect SetVerdict(Operation.SetVerdict operation, Lifetime context) =>
        operation.Verdict.Revision == 0 ? new(operation.Digest, Loses: true) : default;

    public VersionEffect AddReferrer(Operation.AddReferrer operation, Lifetime context) => new(operation.Subject);

    public VersionEffect StoreListed(Operation.StoreListed operation, Lifetime context) => new(operation.Subject);

    public VersionEffect AddEvidence(Operation.AddEvidence operation, Lifetime context) =>
        operation.Counted ? default : new(operation.Subject);

    public VersionEffect Seen(Operation.Seen operation, Lifetime context) => default;

    public VersionEffect Validated(Operation.Validated operation, Lifetime context) => default;

    public VersionEffect RemoveTag(Operation.RemoveTag operation, Lifetime context) => new(SubjectOf(operation.Tag));

    public VersionEffect RemoveManifest(Operation.RemoveManifest operation, Lifetime context) => new(operation.Digest, Loses: true);

    public VersionEffect RemoveEvidence(Operation.RemoveEvidence operation, Lifetime context) => new(default, Loses: true);

    public VersionEffect RemoveListed(Operation.RemoveListed operation, Lifetime context) => new(default, Loses: true);

    public VersionEffect RemoveAllEvidence(Operation.RemoveAllEvidence operation, Lifetime context) => new(default, Loses: true);

    public VersionEffect RemoveEmpty(Operation.RemoveEmpty operation, Lifetime context) => default;

    // A blob may hold what evidence says; one of a cached repository is fetched again.
    public VersionEffect RemoveBlob(Operation.RemoveBlob operation, Lifetime context) =>
        new(default, RaisesAll: context != Lifetime.Cached && !operation.IsUnnamed);

    // Evidence that another program pushed to the volume is found by its tag alone.
    private static Digest SubjectOf(TagName tag) => EvidenceTag.Parse(tag)?.Subject ?? default;
}
