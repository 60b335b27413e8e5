namespace Gateway.Storage;

/// <summary>A page of a list; <paramref name="More"/> tells whether there are items after the last one.</summary>
public sealed record Page<T>(IReadOnlyList<T> Items, bool More);

/// <summary>A tag in this repository: its live digest, its upstream digest, and when its binding was last confirmed.</summary>
/// <param name="Live">The digest that pullers get; empty when the tag is not bound here.</param>
/// <param name="UpstreamDigest">What an upstream says that the tag is bound to, when that differs; empty otherwise.</param>
public sealed record TagState(Digest Live, Digest UpstreamDigest)
{
    /// <summary>When an upstream last confirmed the binding; the time of the binding in built-in storage.</summary>
    public DateTimeOffset ValidatedAt { get; init; }

    /// <summary>Whether the tag has neither a live nor an upstream digest.</summary>
    public bool IsUnbound => Live.IsEmpty && UpstreamDigest.IsEmpty;

    /// <summary>The held push of the tag; null when there is none.</summary>
    public HeldPush? Held { get; init; }
}

/// <summary>A tag, and the manifest of its live digest.</summary>
/// <param name="State">What the tag is bound to.</param>
/// <param name="Manifest">
/// The manifest that the tag is bound to for every caller. Null when the tag has a held push or an upstream digest, when an upstream had to
/// be asked, and when the manifest is not stored here: it is read by its digest then.
/// </param>
public readonly record struct TaggedManifest(TagState State, StoredManifest? Manifest)
{
    /// <summary>The result of <see cref="IRepositoryTags.ResolveAsync"/> alone, without a manifest.</summary>
    public static Result<TaggedManifest> Of(Result<TagState> resolved) => resolved switch
    {
        Result<TagState>.Found found => new Result<TaggedManifest>.Found(new(found.Value, null), found.Handling),
        Result<TagState>.Unavailable no =>
            new Result<TaggedManifest>.Unavailable(no.RetryAfter, no.Why, no.Handling) { IsDamaged = no.IsDamaged },
        var absent => new Result<TaggedManifest>.Absent(absent.Handling),
    };
}

/// <summary>A held push: the binding that a tag waits for.</summary>
/// <param name="Sequence">The number of the change that held it: a later held push has a larger one.</param>
/// <param name="Actor">The account that pushed it.</param>
/// <param name="Missing">What it waits for: one line.</param>
public sealed record HeldPush(
    TagName Tag, Digest Digest, long Sequence, string Actor, DateTimeOffset PushedAt, DateTimeOffset Expires, string Missing);

/// <summary>An operator released a manifest that the policy holds.</summary>
/// <param name="Actor">The account that released it.</param>
/// <param name="Reason">Why, in one line.</param>
public sealed record ManifestRelease(Digest Digest, string Actor, string Reason, DateTimeOffset At);

/// <summary>A manifest's bytes and their meaning.</summary>
public sealed record StoredManifest(Digest Digest, Manifest Manifest, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>False when it was just fetched from an upstream; it is then stored only if a change says so.</summary>
    public bool IsStored { get; init; } = true;

    /// <summary>The largest manifest in bytes that is read back.</summary>
    public const int MaxBytes = 64 << 20;

    /// <summary>
    /// The limits for reading stored manifests. Content was checked when it was stored, and a volume of another program is served as it is,
    /// so there are no other limits.
    /// </summary>
    public static ManifestLimits ReadBackLimits { get; } =
        new() { MaxBytes = MaxBytes, MaxDescriptors = 1_000_000, MaxAnnotationBytes = 64 << 20, MaxDepth = 64 };

    /// <summary>The latest verdict; null when there is none.</summary>
    public VerdictStamp Verdict { get; init; }

    /// <summary>Its description in the referrers API.</summary>
    public Descriptor AsReferrer() => Manifest.AsReferrer(Digest, Bytes.Length);
}

/// <summary>The gate's record of a verdict. Storage stores it and does not interpret it.</summary>
/// <param name="Revision">The policy's revision; with 0 and <paramref name="Outcome"/> 0 there is no verdict.</param>
/// <param name="Until">Unix seconds of the earliest moment that could change the verdict; 0 for never.</param>
public readonly record struct VerdictStamp(ulong Revision, byte Outcome, long Until);

/// <summary>The kind of content that a link names.</summary>
public enum LinkKind : byte
{
    /// <summary>A blob.</summary>
    Blob = 1,
    /// <summary>A manifest.</summary>
    Manifest = 2,
}

/// <summary>A repository's note about content that it has.</summary>
/// <param name="Size">Bytes; -1 when unknown.</param>
/// <param name="Verdict">For a manifest: its verdict.</param>
/// <param name="Parent">For a blob: the manifest that last admitted it; empty when none has.</param>
/// <param name="IsAlias">
/// Whether the bytes are stored under another digest, which the link file names (docker-registry stores sha512 under sha256).
/// </param>
/// <param name="IsMeasured">Whether the size is only the length of the file: neither a manifest nor an upstream has stated it.</param>
public readonly record struct Link(long Size, VerdictStamp Verdict, Digest Parent, bool IsAlias = false, bool IsMeasured = false);

/// <summary>Whether a blob is stored, after it was requested ahead of need.</summary>
/// <param name="Problem">Why it is not stored; null when it is.</param>
/// <param name="FetchedBytes">Bytes that were fetched from an upstream; 0 when the blob was already stored.</param>
public readonly record struct Prefetched(string? Problem, long FetchedBytes);

/// <summary>How a blob will be read, so that a cold one costs only that.</summary>
/// <param name="Kind">Only its headers, one range, or the whole blob.</param>
/// <param name="From">First byte of the range; for a suffix range, minus its length.</param>
/// <param name="To">Last byte of the range, inclusive; null for "to the end".</param>
public readonly record struct BlobUse(BlobUseKind Kind, long From = 0, long? To = null)
{
    /// <summary>Only headers.</summary>
    public static readonly BlobUse Head = new(BlobUseKind.Head);
    /// <summary>The whole blob.</summary>
    public static readonly BlobUse Whole = new(BlobUseKind.Whole);
    /// <summary>The whole blob, if that needs no upstream.</summary>
    public static readonly BlobUse Here = new(BlobUseKind.Here);
}

/// <summary>How much of a blob is read.</summary>
public enum BlobUseKind
{
    /// <summary>Only its headers.</summary>
    Head,
    /// <summary>One range.</summary>
    Range,
    /// <summary>The whole blob.</summary>
    Whole,

    /// <summary>The whole blob, if that needs no upstream; otherwise the blob is absent.</summary>
    Here,
}

/// <summary>
/// An upstream did not accept a change that it must have first. The message is one line that a client may see, and names the upstream.
/// </summary>
/// <param name="refusal">Why the upstream refused; null when it could not be asked, or could not answer now.</param>
/// <param name="retryAfter">When a retry may succeed; null when unknown.</param>
public sealed class NotForwardedException(string why, ForwardRefusal? refusal, TimeSpan? retryAfter = null, Exception? inner = null)
    : IOException(why, inner)
{
    /// <summary>Why the upstream refused; null when it could not be asked, or could not answer now.</summary>
    public ForwardRefusal? Refusal { get; } = refusal;

    /// <summary>When a retry may succeed; null when unknown.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>Why an upstream refused a change.</summary>
public enum ForwardRefusal
{
    /// <summary>The upstream does not let this account make the change, or gave another reason.</summary>
    Denied,

    /// <summary>The upstream says that it lacks a blob which the manifest names.</summary>
    BlobUnknown,

    /// <summary>The upstream does not accept the manifest.</summary>
    ManifestInvalid,

    /// <summary>The upstream does not have the repository or the content.</summary>
    NotFound,

    /// <summary>The upstream does not support the operation.</summary>
    Unsupported,

    /// <summary>The upstream does not accept a manifest of this size.</summary>
    TooLarge,
}

/// <summary>The result of a look for what other gateways have changed.</summary>
/// <param name="IsRead">Whether their changes were read, so that asking again may have another result.</param>
/// <param name="Unknown">
/// Why their changes are not known: one line that a client may see. A refusal that such a change may have ended is then no refusal, but a
/// 503. Null when they are known.
/// </param>
public readonly record struct CaughtUp(bool IsRead, string? Unknown);

/// <summary>
/// The volume accepts no writes: a flush failed, its journal is damaged, or it is read-only or full. The message is one line that a client
/// may see.
/// </summary>
public class StoreReadOnlyException(string why, Exception? inner = null) : IOException(why, inner);
