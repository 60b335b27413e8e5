using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>Everything that one request changes in one repository: committed whole or not at all.</summary>
/// <param name="Operations">In the order in which they are applied.</param>
public sealed record Change(ImmutableArray<Operation> Operations)
{
    /// <summary>What must still be so when the change is applied.</summary>
    public ImmutableArray<Expectation> Expectations { get; init; } = [];

    /// <summary>
    /// Links that the repository must still have when the change is applied: what a manifest names may be deleted while it is judged.
    /// </summary>
    public ImmutableArray<(LinkKind Kind, Digest Digest)> Needs { get; init; } = [];

    /// <summary>
    /// The versions of subjects (<see cref="IRepositoryEvidence.VersionOf"/>) that the change's verdicts rest on. Where one has changed,
    /// nothing is done.
    /// </summary>
    public ImmutableArray<(Digest Subject, long Version)> Subjects { get; init; } = [];

    /// <summary>
    /// Manifests that pullers may have by this change. What stands before an upstream gives them to it first, with all that they need and
    /// the tags that the change binds to them.
    /// </summary>
    public ImmutableArray<Digest> Published { get; init; } = [];

    /// <summary>
    /// What the change adds to something that may have so many entries alone, and how many more fitted when it was counted; null where
    /// nothing is counted. Where others have added more since, nothing is done: count again.
    /// </summary>
    public Room? Room { get; init; }

    /// <summary>Whether what it stores and binds has come from an upstream just now: nobody there need be told.</summary>
    public bool IsFetched { get; init; }

    /// <summary>
    /// Whether the change is still allowed, asked when it is applied, on the committer's thread: it must answer from memory. Null where it
    /// always is.
    /// </summary>
    public Func<bool>? IsStillAllowed { get; init; }

    /// <summary>
    /// Told the number of the change when it is made, on the committer's thread, in the order of all changes and before anybody is
    /// answered. It returns at once and does not throw.
    /// </summary>
    public Action<long>? Committed { get; init; }
}

/// <summary>Room for what is counted before a change is made, and may be added to by others until then.</summary>
/// <param name="At"><see cref="IRepositoryChanges.Additions"/> before it was counted.</param>
/// <param name="Spare">How many more fit beside what the change adds; at least 0.</param>
/// <param name="Adds">How many the change adds.</param>
public sealed record Room(long At, long Spare, int Adds);

/// <summary>That a tag is still bound as it was when the change was made (empty: not bound).</summary>
public sealed record Expectation(TagName Tag, Digest Live)
{
    /// <summary>That its offer is still this one, by <see cref="HeldPush.Sequence"/> (0: none); null where that does not count.</summary>
    public long? HeldSequence { get; init; }
}

/// <summary>What became of a change.</summary>
public abstract record CommitResult
{
    /// <summary>Durable, under this number, which rises with every change of the volume.</summary>
    public sealed record Committed(long Sequence) : CommitResult
    {
        /// <summary>Whether an upstream is still to get what it publishes.</summary>
        public bool IsForwarding { get; init; }
    }

    /// <summary>Nothing was done, for the repository no longer has this.</summary>
    public sealed record Missing(Digest Digest) : CommitResult;

    /// <summary>
    /// Nothing was done, for there is other evidence about this subject by now, or another offer of it; empty where there may be no
    /// <see cref="Room"/> any more: judge again.
    /// </summary>
    public sealed record Outdated(Digest Subject) : CommitResult;

    /// <summary>Nothing was done, for <see cref="Change.IsStillAllowed"/> was false.</summary>
    public sealed record Superseded : CommitResult;

    /// <summary>Nothing was done, for this expectation no longer held.</summary>
    public sealed record TagMoved(Expectation What, Digest Now) : CommitResult;
}
