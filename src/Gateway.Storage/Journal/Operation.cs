using System.Collections.Immutable;
using System.Diagnostics;

namespace Gateway.Storage;

/// <summary>The closed list of operations that a change consists of.</summary>
public abstract record Operation
{
    // Closed: nothing outside this project can add an operation.
    private protected Operation()
    {
    }

    /// <summary>The error of code that has no answer for a new operation; a test asks it about each one.</summary>
    public static UnreachableException Unknown(Operation operation) =>
        new($"expected an operation that is known here, got {operation.GetType().Name}");

    /// <summary>Stores a manifest and links it in the repository.</summary>
    public sealed record StoreManifest(Digest Digest, ReadOnlyMemory<byte> Bytes) : Operation
    {
        /// <summary>The document, if it was parsed before the committer takes the change; null otherwise.</summary>
        internal Manifest? Parsed { get; init; }

        /// <summary>Whether the bytes were stored already: the committer then only looks whether they are there.</summary>
        internal bool IsPlaced { get; init; }

        /// <summary>Bytes of the manifest; -1 when unknown. A change of a shared log states it without the bytes.</summary>
        internal long Size { get; init; } = Bytes.Length;
    }

    /// <summary>
    /// Links a blob in the repository. <paramref name="Upload"/> names a finished upload whose data becomes the blob's. Without an upload,
    /// the data is already in some root or, in a cached repository, may be fetched later: the link then means that the upstream vouched for
    /// it.
    /// </summary>
    public sealed record LinkBlob(Digest Digest, long Size, string? Upload = null) : Operation
    {
        /// <summary>The manifest that admits the blob to pullers; empty when none does yet.</summary>
        public Digest Parent { get; init; }
    }

    /// <summary>Binds a tag.</summary>
    public sealed record SetLive(TagName Tag, Digest Digest) : Operation;

    /// <summary>
    /// Holds a push to a tag, in place of any earlier held push of the tag; the live binding stays. The change's own number becomes
    /// <see cref="HeldPush.Sequence"/>, its time <see cref="HeldPush.PushedAt"/>.
    /// </summary>
    /// <param name="Actor">The account that pushed it.</param>
    /// <param name="Missing">What it waits for: one line.</param>
    public sealed record Hold(TagName Tag, Digest Digest, string Actor, DateTimeOffset Expires, string Missing) : Operation
    {
        /// <summary>
        /// The <see cref="HeldPush.Sequence"/>; null for the change's own number. A held push of a shared log has the same number on all
        /// replicas.
        /// </summary>
        internal long? Number { get; init; }
    }

    /// <summary>Ends the hold of a tag's held push; does nothing when there is none.</summary>
    public sealed record EndHold(TagName Tag) : Operation;

    /// <summary>
    /// Notes that an operator released a manifest although the policy holds it. The note is removed with the manifest. Only for built-in
    /// repositories.
    /// </summary>
    /// <param name="Actor">The account that released it.</param>
    /// <param name="Reason">Why, in one line.</param>
    public sealed record Release(Digest Digest, string Actor, string Reason) : Operation;

    /// <summary>Notes that these manifests, in this order, and then these tags must be forwarded to the upstream.</summary>
    public sealed record Forward(ImmutableArray<Digest> Manifests, ImmutableArray<(TagName Tag, Digest Digest)> Tags) : Operation;

    /// <summary>
    /// Notes the end of a <see cref="Forward"/>: the upstream has it, and the note is removed; or it refused, and the note stays with the
    /// reason.
    /// </summary>
    /// <param name="Number">The number of the change that it was in.</param>
    public sealed record Forwarded(long Number, string? Refusal = null) : Operation;

    /// <summary>Notes a manifest's verdict.</summary>
    public sealed record SetVerdict(Digest Digest, VerdictStamp Verdict) : Operation;

    /// <summary>Notes that a manifest of this repository names this subject.</summary>
    public sealed record AddReferrer(Digest Subject, Descriptor Referrer) : Operation;

    /// <summary>Stores the referrers of a subject that an upstream lists. Only for cached repositories.</summary>
    /// <param name="Text">The whole file (<see cref="ListedReferrers"/>).</param>
    public sealed record StoreListed(Digest Subject, ReadOnlyMemory<byte> Text) : Operation;

    /// <summary>
    /// Notes that a manifest was pushed as evidence about a subject that it does not name itself, by a tag such as <c>sha256-….sig</c>. It
    /// stays noted when the tag moves.
    /// </summary>
    public sealed record AddEvidence(Digest Subject, Digest Evidence) : Operation
    {
        /// <summary>Whether an admitting verdict rests on it; it is then found before any other.</summary>
        public bool Counted { get; init; }
    }

    /// <summary>Notes when content was first seen here; a later note of the same digest changes nothing.</summary>
    public sealed record Seen(Digest Digest, DateTimeOffset At) : Operation;

    /// <summary>Notes when an upstream last confirmed the binding of a tag. Only for cached repositories.</summary>
    public sealed record Validated(TagName Tag, DateTimeOffset At) : Operation;

    /// <summary>Unbinds a tag.</summary>
    public sealed record RemoveTag(TagName Tag) : Operation;

    /// <summary>Removes a manifest from the repository, with every tag bound to it and its entry among its subject's referrers.</summary>
    public sealed record RemoveManifest(Digest Digest) : Removal(Digest)
    {
        /// <summary>Whether eviction removes it; its notes about other content are then removed by their own operations.</summary>
        public bool IsEvicted { get; init; }
    }

    /// <summary>Removes the notes that a manifest is evidence about a subject. Only for cached repositories.</summary>
    public sealed record RemoveEvidence(Digest Subject, Digest Evidence) : Operation;

    /// <summary>Removes the list of a subject's referrers that an upstream sent. Only for cached repositories.</summary>
    public sealed record RemoveListed(Digest Subject) : Operation;

    /// <summary>Removes every note of evidence and referrers. Only for cached repositories.</summary>
    public sealed record RemoveAllEvidence : Operation;

    /// <summary>Removes the repository's folders if nothing is linked and no tag is bound. Only for cached repositories.</summary>
    public sealed record RemoveEmpty : Operation;

    /// <summary>Removes a blob's link from the repository.</summary>
    public sealed record RemoveBlob(Digest Digest) : Removal(Digest)
    {
        /// <summary>Whether no manifest of the repository names it, so that no verdict rests on it.</summary>
        internal bool IsUnnamed { get; init; }
    }

    /// <summary>Removes a link.</summary>
    public abstract record Removal(Digest Digest) : Operation
    {
        /// <summary>
        /// When the link was written, according to its file, to the millisecond. A link with another time was written later by another
        /// program, and a replay does not remove it. The minimum value when there was no link; null before the committer has taken the
        /// change, and in journals of earlier versions.
        /// </summary>
        public DateTimeOffset? Written { get; init; }
    }
}
