using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>Everything that one request changes in one repository: committed whole or not at all.</summary>
/// <param name="Operations">In the order in which they are applied.</param>
public sealed record Change(ImmutableArray<Operation> Operations)
{
    /// <summary>The conditions that must still hold when the change is applied.</summary>
    public ImmutableArray<Expectation> Expectations { get; init; } = [];

    /// <summary>
    /// Links that the repository must still have when the change is applied: another request may delete what a manifest names during the
    /// evaluation.
    /// </summary>
    public ImmutableArray<(LinkKind Kind, Digest Digest)> Needs { get; init; } = [];

    /// <summary>
    /// The versions of subjects (<see cref="IRepositoryEvidence.VersionOf"/>) on which the verdicts of the change rest. If one of them has
    /// changed, the change is not made.
    /// </summary>
    public ImmutableArray<(Digest Subject, long Version)> Subjects { get; init; } = [];

    /// <summary>
    /// Manifests that the change makes available to pullers. A fronted repository forwards them to the upstream first, with everything that
    /// they need and the tags that the change binds to them.
    /// </summary>
    public ImmutableArray<Digest> Published { get; init; } = [];

    /// <summary>
    /// The number of entries that the change adds to a limited set, and how many more fit; null when nothing is counted. If other changes
    /// have added more since the count, the change is not made: count again.
    /// </summary>
    public Room? Room { get; init; }

    /// <summary>Whether it only removes, so that it is made on a full volume too.</summary>
    internal bool OnlyRemoves =>
        Operations.All(static o => o is Operation.Removal or Operation.RemoveTag or Operation.EndHold or Operation.RemoveEmpty);

    /// <summary>
    /// Whether the stored and bound content was just fetched from an upstream. Then it need not be forwarded to that upstream.
    /// </summary>
    public bool IsFetched { get; init; }

    /// <summary>
    /// Whether the upstream has just carried out the change because a client pushed or deleted through the gateway. Earlier answers of the
    /// upstream about the tags of the change no longer hold then.
    /// </summary>
    public bool IsForwarded { get; init; }

    /// <summary>
    /// The time of a change that a shared log has already: it is applied whatever was changed here. Null for any other change.
    /// </summary>
    internal DateTimeOffset? LoggedAt { get; init; }

    /// <summary>
    /// The fence that the shared log of the repository had here, as far as this gateway knew, before the bytes that the change links were
    /// looked for or stored (<see cref="LogHead.Fence"/>); -1 when it was not known. If another collection has begun to remove since, the
    /// bytes are looked for again.
    /// </summary>
    internal long PlacedUnder { get; init; } = -1;

    /// <summary>The collection of the bucket that replaces the head of a shared log by this change; 0 for any other change.</summary>
    internal long Fence { get; init; }

    /// <summary>The blobs whose links the change removes, if it only removes.</summary>
    internal IEnumerable<Digest> RemovedBlobs =>
        OnlyRemoves ? Operations.OfType<Operation.RemoveBlob>().Select(static removal => removal.Digest) : [];

    /// <summary>
    /// Checks whether the change is still allowed; null when it always is. The committer calls it on its own thread when it applies the
    /// change, so it must answer from memory.
    /// </summary>
    public Func<bool>? IsStillAllowed { get; init; }

    /// <summary>
    /// Receives the number of the change when it is made: on the committer's thread, in the order of all changes, and before any caller
    /// gets its result. It must return at once and must not throw.
    /// </summary>
    public Action<long>? Committed { get; init; }
}

/// <summary>Room for entries that are counted before a change is made; other changes may add entries in the meantime.</summary>
/// <param name="At"><see cref="IRepositoryChanges.Additions"/> before the count.</param>
/// <param name="Spare">How many more entries fit beside those that the change adds; at least 0.</param>
/// <param name="Adds">How many entries the change adds.</param>
public sealed record Room(long At, long Spare, int Adds);

/// <summary>The condition that a tag is still bound as it was when the change was created (empty: not bound).</summary>
public sealed record Expectation(TagName Tag, Digest Live)
{
    /// <summary>
    /// The <see cref="HeldPush.Sequence"/> of the held push that the tag must still have (0: none); null when the held push does not
    /// matter.
    /// </summary>
    public long? HeldSequence { get; init; }
}

/// <summary>The result of a change.</summary>
public abstract record CommitResult
{
    /// <summary>The change is durable under this number, which rises with every change of the volume.</summary>
    public sealed record Committed(long Sequence) : CommitResult
    {
        /// <summary>Whether the published content must still be forwarded to an upstream.</summary>
        public bool IsForwarding { get; init; }
    }

    /// <summary>The change was not made: the repository no longer has this content, or no root has its bytes.</summary>
    public sealed record Missing(Digest Digest) : CommitResult;

    /// <summary>
    /// The change was not made: this subject has new evidence or another held push since the evaluation. Empty when the <see cref="Room"/>
    /// is used up. Evaluate again.
    /// </summary>
    public sealed record Outdated(Digest Subject) : CommitResult;

    /// <summary>
    /// The change was not made: a collection of the bucket removed these bytes after they were looked for. Store them again.
    /// </summary>
    internal sealed record Collected(Digest Digest) : CommitResult;

    /// <summary>The change was not made: <see cref="Change.IsStillAllowed"/> returned false.</summary>
    public sealed record Superseded : CommitResult;

    /// <summary>The change was not made: this expectation no longer holds.</summary>
    public sealed record TagMoved(Expectation What, Digest Now) : CommitResult;
}
