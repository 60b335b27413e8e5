namespace Gateway.Storage;

/// <summary>How an operation changes the version numbers on which verdicts rest (<see cref="IRepositoryEvidence.VersionOf"/>).</summary>
/// <param name="Subject">The subject whose version rises; empty for none.</param>
/// <param name="RaisesAll">Whether it may concern any subject: the number of the latest change rises.</param>
/// <param name="Loses">Whether something is removed that an admitting verdict may rest on.</param>
internal readonly record struct VersionEffect(Digest Subject, bool RaisesAll = false, bool Loses = false);

/// <summary>The effect of each operation on version numbers.</summary>
internal static class VersionEffects
{
    /// <summary>The effect of an operation on a repository in a root of this lifetime.</summary>
    public static VersionEffect Of(Operation operation, Lifetime lifetime) => operation switch
    {
        Operation.StoreManifest => new(default, RaisesAll: true),
        Operation.SetLive o => new(SubjectOf(o.Tag)),
        Operation.Hold o => new(o.Digest),
        Operation.Release o => new(o.Digest),
        // The removal of evidence leaves an unknown verdict.
        Operation.SetVerdict o => o.Verdict.Revision == 0 ? new(o.Digest, Loses: true) : default,
        Operation.AddReferrer o => new(o.Subject),
        Operation.StoreListed o => new(o.Subject),
        Operation.AddEvidence o => o.Counted ? default : new(o.Subject),
        Operation.RemoveTag o => new(SubjectOf(o.Tag)),
        Operation.RemoveManifest o => new(o.Digest, Loses: true),
        Operation.RemoveEvidence or Operation.RemoveListed or Operation.RemoveAllEvidence => new(default, Loses: true),
        // A blob may hold what evidence says; one of a cached repository is fetched again.
        Operation.RemoveBlob o => new(default, RaisesAll: lifetime != Lifetime.Cached && !o.IsUnnamed),
        Operation.LinkBlob or Operation.EndHold or Operation.Forward or Operation.Forwarded or Operation.Seen or Operation.Validated
            or Operation.RemoveEmpty => default,
        _ => throw Operation.Unknown(operation),
    };

    // Evidence that another program pushed to the volume is found by its tag alone.
    private static Digest SubjectOf(TagName tag) => EvidenceTag.Parse(tag)?.Subject ?? default;
}
