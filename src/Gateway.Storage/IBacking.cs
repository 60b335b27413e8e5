using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// What stands behind the gate of one repository: it knows no caller and no policy, moves no tag by itself, and has one write
/// (docs/design/0004-gate.md). <see cref="StoredRepository"/> is the built-in one; the pull-through one has a stored one and an upstream.
/// </summary>
public interface IBacking
{
    /// <summary>What a tag is bound to here and, for a pull-through repository, what its upstream says it should be.</summary>
    ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken);

    /// <summary>
    /// A manifest by digest; from an upstream when it is not here, then with <see cref="StoredManifest.IsStored"/> false until a change
    /// stores it.
    /// </summary>
    ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken);

    /// <summary>
    /// A blob of this repository, opened as the use says. Content that is present under another repository only is absent.
    /// </summary>
    ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken);

    /// <summary>Brings a blob that a manifest of this repository names here ahead of need, as far as there is room; never throws.</summary>
    ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken);

    /// <summary>What this repository notes about a blob or manifest of its own; null when it has none. Never asks an upstream.</summary>
    ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken);

    /// <summary>
    /// Whether the bytes that a link of this repository stands for can be had: whole and here, or from the upstream that vouched for them.
    /// Never asks an upstream.
    /// </summary>
    /// <param name="size">Bytes; negative when unknown.</param>
    ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken);

    /// <summary>
    /// Descriptors of the manifests that name this subject, sorted by digest, all of them (at most <see cref="MaxReferrers"/>), fallback
    /// tags merged.
    /// </summary>
    ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken);

    /// <summary>
    /// The manifests that may be evidence about a subject, newest first: those that name it themselves, and those that were ever pushed
    /// under its tags for evidence. For an upstream's repository also those that the upstream lists.
    /// </summary>
    ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken);

    /// <summary>
    /// The subjects that a manifest may be evidence about: the one that it names, and those under whose tags for evidence it was pushed.
    /// </summary>
    IReadOnlyList<Digest> SubjectsOf(Digest evidence);

    /// <summary>What names a subject that is not here, as far as that was noted, with the subject; in no order.</summary>
    IEnumerable<(Digest Evidence, Digest Subject)> Orphans();

    /// <summary>
    /// A number that rises with every change of a subject's evidence or offers. Read before judging, and stated by the change that rests on
    /// the verdict, it keeps any such change from being overlooked.
    /// </summary>
    long VersionOf(Digest subject);

    /// <summary>A number that rises whenever any subject's version does, or an index comes or goes.</summary>
    long Version { get; }

    /// <summary>A number that rises when something is taken away that a verdict which admits may rest on.</summary>
    long Lost { get; }

    /// <summary>How many entries changes with a <see cref="Room"/> have added since the start.</summary>
    long Additions { get; }

    /// <summary>The indexes kept here that name a manifest, in no order; some may be gone by now.</summary>
    ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child);

    /// <summary>
    /// When a manifest was first seen in this repository: as noted, else since when it has been here; null for one that never was.
    /// </summary>
    DateTimeOffset? FirstSeen(Digest digest);

    /// <summary>Every tag's offer, expired ones too, in no order.</summary>
    IReadOnlyList<HeldPush> HeldPushes();

    /// <summary>The tags bound to a manifest here.</summary>
    IEnumerable<TagName> TagsOf(Digest digest);

    /// <summary>What a tag is bound to here, without asking anybody; empty when it is not.</summary>
    Digest LiveOf(TagName tag);

    /// <summary>What a tag was bound to before, the last one first, at most 16: of cached repositories only.</summary>
    IReadOnlyList<Digest> HistoryOf(TagName tag);

    /// <summary>
    /// The tags after <paramref name="last"/> in bytewise order, at most <paramref name="count"/>; absent when the repository does not
    /// exist.
    /// </summary>
    ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken);

    /// <summary>Whether a manifest was pushed here, and is at no upstream: nobody can know of it but from here.</summary>
    bool IsPushed(Digest manifest);

    /// <summary>The digests of every manifest that is kept here, in no order; those of one algorithm alone where it is given.</summary>
    IEnumerable<Digest> Manifests(DigestAlgorithm? algorithm = null);

    /// <summary>Opens an upload session; null where clients cannot push.</summary>
    ValueTask<Upload?> OpenUploadAsync(DigestAlgorithm algorithm, string actor, CancellationToken cancellationToken);

    /// <summary>
    /// Finds a session of this repository, which is not taken over by that; null when there is none, also for another repository's.
    /// </summary>
    ValueTask<Upload?> FindUploadAsync(string id, CancellationToken cancellationToken);

    /// <summary>
    /// Applies a change whole or not at all; returns after it is durable, and where an upstream is to have it, after it has it. Throws
    /// <see cref="StoreReadOnlyException"/> when nothing can be written, <see cref="NotForwardedException"/> when an upstream did not take
    /// it: nothing is changed here then.
    /// </summary>
    ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken);

    /// <summary>Most referrers of one subject that are listed; more are counted in a metric and left out.</summary>
    const int MaxReferrers = 10_000;
}

/// <summary>A page of a list; <paramref name="More"/> says that something follows the last item.</summary>
public sealed record Page<T>(IReadOnlyList<T> Items, bool More);

/// <summary>A tag here: what it is bound to, what an upstream offers, and how long nobody need be asked.</summary>
/// <param name="Live">What pullers get; empty when the tag is not bound here.</param>
/// <param name="UpstreamDigest">What an upstream says that the tag is bound to, when that differs; empty otherwise.</param>
public sealed record TagState(Digest Live, Digest UpstreamDigest)
{
    /// <summary>When an upstream last said that the tag is bound so; the time of the binding in built-in storage.</summary>
    public DateTimeOffset ValidatedAt { get; init; }

    /// <summary>Whether there is nothing that pullers could get.</summary>
    public bool IsUnbound => Live.IsEmpty && UpstreamDigest.IsEmpty;

    /// <summary>What somebody pushed to the tag that is not live yet; null when nothing waits.</summary>
    public HeldPush? Held { get; init; }
}

/// <summary>What a tag waits to be bound to.</summary>
/// <param name="Sequence">The number of the change that offered it: a later offer has a larger one.</param>
/// <param name="Actor">Who pushed it.</param>
/// <param name="PushedAt">When.</param>
/// <param name="Expires">When it is dropped.</param>
/// <param name="Missing">What it waits for: one line.</param>
public sealed record HeldPush(
    TagName Tag, Digest Digest, long Sequence, string Actor, DateTimeOffset PushedAt, DateTimeOffset Expires, string Missing);

/// <summary>A manifest's bytes and their meaning.</summary>
public sealed record StoredManifest(Digest Digest, Manifest Manifest, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>False when it has just come from an upstream and is kept only if a change says so.</summary>
    public bool IsStored { get; init; } = true;

    /// <summary>The verdict that was last given, where one was.</summary>
    public VerdictStamp Verdict { get; init; }
}

/// <summary>What the gate noted of a verdict. Storage keeps it and does not read it.</summary>
/// <param name="Revision">The policy's revision; with 0 and <paramref name="Outcome"/> 0 there is no verdict.</param>
/// <param name="Outcome">The outcome as a number.</param>
/// <param name="Until">Unix seconds of the earliest moment that could change the verdict; 0 for never.</param>
public readonly record struct VerdictStamp(ulong Revision, byte Outcome, long Until);

/// <summary>What a link is to.</summary>
public enum LinkKind : byte
{
    Blob = 1,
    Manifest = 2,
}

/// <summary>What a repository notes about content of its own.</summary>
/// <param name="Size">Bytes; -1 when unknown.</param>
/// <param name="Verdict">Of a manifest: its verdict.</param>
/// <param name="Parent">Of a blob: the manifest that last admitted it; empty when none has.</param>
/// <param name="IsAlias">Whether the bytes lie under another digest, which the link file says (docker-registry stores sha512 under
/// sha256).</param>
/// <param name="IsMeasured">Whether the size is that of the file as it was found: nobody has said that it is right.</param>
public readonly record struct Link(long Size, VerdictStamp Verdict, Digest Parent, bool IsAlias = false, bool IsMeasured = false);

/// <summary>Whether a blob is here, after it was asked for ahead of need.</summary>
/// <param name="Problem">Why it is not; null when it is.</param>
/// <param name="FetchedBytes">Bytes that had to come from an upstream; 0 when it was here.</param>
public readonly record struct Prefetched(string? Problem, long FetchedBytes);

/// <summary>How a blob will be read, so that a cold one costs no more than that.</summary>
/// <param name="Kind">Only its headers, one range, or the whole.</param>
/// <param name="From">First byte of the range; for a suffix range, minus its length.</param>
/// <param name="To">Last byte of the range, inclusive; null for "to the end".</param>
public readonly record struct BlobUse(BlobUseKind Kind, long From = 0, long? To = null)
{
    public static readonly BlobUse Head = new(BlobUseKind.Head);
    public static readonly BlobUse Whole = new(BlobUseKind.Whole);
    public static readonly BlobUse Here = new(BlobUseKind.Here);
}

public enum BlobUseKind
{
    Head,
    Range,
    Whole,

    /// <summary>The whole, if that needs no upstream; else the blob is absent.</summary>
    Here,
}

/// <summary>An upstream did not take a change that it was to have first. One line fit for a client, which names the upstream.</summary>
/// <param name="status">What the upstream answered, where it refused; null where it could not be asked, or could not answer now.</param>
/// <param name="retryAfter">When another try is worth while; null where nobody said.</param>
public sealed class NotForwardedException(string why, int? status, TimeSpan? retryAfter = null, Exception? inner = null)
    : IOException(why, inner)
{
    public int? Status { get; } = status;

    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>The upstream's own code for a refusal (distribution-spec, "Error Codes"); empty where it said none.</summary>
    public string Code { get; init; } = "";
}

/// <summary>
/// The volume takes no writes: a flush failed, its journal is damaged, it is read-only or full. The message is one line fit for a client.
/// </summary>
public class StoreReadOnlyException(string why, Exception? inner = null) : IOException(why, inner);
