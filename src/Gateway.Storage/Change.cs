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
    /// The versions of subjects (<see cref="IBacking.VersionOf"/>) that the change's verdicts rest on: where one has moved, nothing is
    /// done.
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
/// <param name="At"><see cref="IBacking.Additions"/> before it was counted.</param>
/// <param name="Spare">How many more fit beside what the change adds; at least 0.</param>
/// <param name="Adds">How many the change adds.</param>
public sealed record Room(long At, long Spare, int Adds);

/// <summary>That a tag is still bound as it was when the change was made (empty: not bound).</summary>
public sealed record Expectation(TagName Tag, Digest Live)
{
    /// <summary>That its offer is still this one, by <see cref="HeldPush.Sequence"/> (0: none); null where that does not count.</summary>
    public long? HeldSequence { get; init; }
}

/// <summary>The closed list of what a change may do.</summary>
public abstract record Operation
{
    /// <summary>Keeps a manifest, and links it in the repository.</summary>
    public sealed record StoreManifest(Digest Digest, ReadOnlyMemory<byte> Bytes) : Operation;

    /// <summary>
    /// Links a blob in the repository. <paramref name="Upload"/> names a finished upload whose data becomes the blob's; without one the
    /// data is already in some root, or, in a cached repository, may come later: the link then means that the upstream vouched for it.
    /// </summary>
    public sealed record LinkBlob(Digest Digest, long Size, string? Upload = null) : Operation
    {
        /// <summary>The manifest that admits the blob to pullers; empty when none does yet.</summary>
        public Digest Parent { get; init; }
    }

    /// <summary>Binds a tag.</summary>
    public sealed record SetLive(TagName Tag, Digest Digest) : Operation;

    /// <summary>
    /// Notes what a tag waits to be bound to, in place of any earlier offer of the tag; its live binding stays. The change's own number
    /// becomes <see cref="HeldPush.Sequence"/>, its time <see cref="HeldPush.At"/>.
    /// </summary>
    /// <param name="By">Who pushed it.</param>
    /// <param name="Missing">What it waits for: one line.</param>
    public sealed record Hold(TagName Tag, Digest Digest, string Actor, DateTimeOffset Expires, string Missing) : Operation;

    /// <summary>Takes a tag's offer away; nothing where it has none.</summary>
    public sealed record EndHold(TagName Tag) : Operation;

    /// <summary>Notes that an upstream is still to get these manifests, in this order, and then these tags.</summary>
    public sealed record Forward(ImmutableArray<Digest> Manifests, ImmutableArray<(TagName Tag, Digest Digest)> Tags) : Operation;

    /// <summary>
    /// Notes what became of a <see cref="Forward"/>: it arrived, and is forgotten, or was refused, and stays listed with the reason.
    /// </summary>
    /// <param name="Number">The number of the change that it was in.</param>
    public sealed record Forwarded(long Number, string? Refusal = null) : Operation;

    /// <summary>Notes a manifest's verdict.</summary>
    public sealed record SetVerdict(Digest Digest, VerdictStamp Verdict) : Operation;

    /// <summary>Notes that a manifest of this repository names this subject.</summary>
    public sealed record AddReferrer(Digest Subject, Descriptor Referrer) : Operation;

    /// <summary>Keeps what an upstream lists as referrers of a subject. Of cached repositories only.</summary>
    /// <param name="Text">The whole file (<see cref="ListedReferrers"/>).</param>
    internal sealed record StoreListed(Digest Subject, ReadOnlyMemory<byte> Text) : Operation;

    /// <summary>
    /// Notes that a manifest was pushed as evidence about a subject that it does not name itself, by a tag such as <c>sha256-….sig</c>. It
    /// stays noted when the tag moves on.
    /// </summary>
    public sealed record AddEvidence(Digest Subject, Digest Evidence) : Operation
    {
        /// <summary>Whether a verdict that admits rests on it: then it is found before any other.</summary>
        public bool Counted { get; init; }
    }

    /// <summary>Notes when content was first seen here; a later note of the same digest changes nothing.</summary>
    public sealed record Seen(Digest Digest, DateTimeOffset At) : Operation;

    /// <summary>Notes that an upstream said just then that the tag is bound as it is here. Of cached repositories only.</summary>
    public sealed record Validated(TagName Tag, DateTimeOffset At) : Operation;

    /// <summary>Unbinds a tag.</summary>
    public sealed record RemoveTag(TagName Tag) : Operation;

    /// <summary>Removes a manifest from the repository, with every tag bound to it and its entry among its subject's referrers.</summary>
    public sealed record RemoveManifest(Digest Digest) : Removal(Digest)
    {
        /// <summary>Whether it made room in the cache: what it says of others is then removed by operations of its own.</summary>
        public bool IsEvicted { get; init; }
    }

    /// <summary>Removes the notes that a manifest says something about a subject. Of cached repositories only.</summary>
    internal sealed record RemoveEvidence(Digest Subject, Digest Evidence) : Operation;

    /// <summary>Removes what an upstream lists as referrers of a subject. Of cached repositories only.</summary>
    internal sealed record RemoveListed(Digest Subject) : Operation;

    /// <summary>Removes all that is noted of who says something about whom. Of cached repositories only.</summary>
    internal sealed record RemoveAllEvidence : Operation;

    /// <summary>Removes the repository's folders where nothing is linked and no tag is bound. Of cached repositories only.</summary>
    internal sealed record RemoveEmpty : Operation;

    /// <summary>Removes a blob's link from the repository.</summary>
    public sealed record RemoveBlob(Digest Digest) : Removal(Digest);

    /// <summary>Removes a link.</summary>
    public abstract record Removal(Digest Digest) : Operation
    {
        /// <summary>
        /// When the link was written, as its file says, to the millisecond: a link with another time was written later by another program,
        /// and a replay leaves it alone. The first of all moments where there was no link; null before the committer has taken the change,
        /// and in journals of earlier versions.
        /// </summary>
        public DateTimeOffset? Written { get; init; }
    }
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
