namespace Gateway.Storage;

/// <summary>
/// What is behind the gate of one repository. It knows no caller and no policy, moves no tag by itself, and has one write
/// (docs/design/0004-gate.md). <see cref="StoredRepository"/> is the built-in one; the pull-through one has a stored one and an upstream.
/// Code that needs only a part uses that part: <see cref="IRepositoryContent"/>, <see cref="IRepositoryUploads"/>, or <see
/// cref="IRepositoryMetadata"/> and its parts.
/// </summary>
public interface IBacking : IRepositoryContent, IRepositoryMetadata
{
    /// <summary>The upload sessions; null when clients cannot push.</summary>
    IRepositoryUploads? Uploads { get; }

    /// <summary>Whether all of its content is what clients pushed, so that no upstream has a say in a change.</summary>
    bool IsBuiltIn => false;

    /// <summary>
    /// Reads again what other gateways may have changed, before a client is refused for what may be over. The default where no other
    /// gateway can change anything.
    /// </summary>
    ValueTask<CaughtUp> CatchUpAsync(CancellationToken cancellationToken) => default;

    /// <summary>The other replicas of the set, which may have seen more of this repository; null where there are none.</summary>
    IOtherReplicas? Others => null;
}

/// <summary>
/// What other replicas know about one repository of an upstream. It only says where to look: nothing is admitted because of it.
/// </summary>
public interface IOtherReplicas
{
    /// <summary>
    /// The manifests that, as other replicas say, name a blob or manifest of this repository, and the indexes above those. An index comes
    /// before the manifests that it names. Empty when no replica says anything in time; null when too many such requests are under way.
    /// </summary>
    ValueTask<IReadOnlyList<Digest>?> NamingAsync(Digest content, CancellationToken cancellationToken);
}

/// <summary>The manifests and blobs of one repository.</summary>
public interface IRepositoryContent : IRepositoryLinks
{
    /// <summary>
    /// A manifest by digest. One that is only at an upstream is fetched; its <see cref="StoredManifest.IsStored"/> is then false until a
    /// change stores it.
    /// </summary>
    ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken);

    /// <summary>
    /// A blob of this repository, opened as the use says. Content that is present only under another repository is absent.
    /// </summary>
    ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken);

    /// <summary>
    /// An address from which a client reads a large blob of this repository without this gateway, for some minutes; null when the gateway
    /// sends the bytes itself. Only content that clients pushed has such addresses.
    /// </summary>
    /// <param name="digest">A blob that <see cref="OpenBlobAsync"/> has found.</param>
    ValueTask<Uri?> RedirectAsync(Digest digest, CancellationToken cancellationToken) => default;

    /// <summary>
    /// Records that a client requested a manifest, and that the backing returned this one. The gateway does not call it for its own reads,
    /// so that metrics and prefetch count only requests of clients.
    /// </summary>
    void Requested(Digest digest, Result<StoredManifest> result);

    /// <summary>Records that a client requested a blob, and that the backing returned this one.</summary>
    void Requested(Result<IContent> result);

    /// <summary>
    /// Fetches a blob that a manifest of this repository names, ahead of need and as far as there is room. Never throws.
    /// </summary>
    ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken);

    /// <summary>
    /// Whether the bytes of a link of this repository can be read: they are stored whole, or the upstream vouched for them. Never asks an
    /// upstream.
    /// </summary>
    /// <param name="size">Bytes; negative when unknown.</param>
    ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken);
}

/// <summary>
/// The metadata of one repository: what it links and binds, what is noted about it, and the one way to change that. It holds no bytes but
/// those of the manifests that a change stores, which are durable with the change. A store of metadata implements it: the journal and the
/// layout of a volume are one (<see cref="StoredRepository"/>).
/// </summary>
public interface IRepositoryMetadata : IRepositoryLinks, IRepositoryTags, IRepositoryEvidence, IRepositoryChanges;

/// <summary>The content that one repository has.</summary>
public interface IRepositoryLinks
{
    /// <summary>What this repository notes about a blob or manifest; null when it has no note. Never asks an upstream.</summary>
    ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken);

    /// <summary>
    /// The digests of every stored manifest, in no order; only those of one algorithm if it is given. Never asks an upstream.
    /// </summary>
    IAsyncEnumerable<Digest> ManifestsAsync(DigestAlgorithm? algorithm = null);
}

/// <summary>The tags of one repository.</summary>
public interface IRepositoryTags
{
    /// <summary>What a tag is bound to here and, for a pull-through repository, what its upstream binds it to.</summary>
    ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken);

    /// <summary>
    /// The same as <see cref="ResolveAsync"/>, with the manifest where that needs no upstream: a warm pull asks only this.
    /// </summary>
    /// <param name="isForClient">
    /// Whether a client requested the manifest. A manifest that is returned is counted then, as <see
    /// cref="IRepositoryContent.Requested(Digest, Result{StoredManifest})"/> would.
    /// </param>
    ValueTask<Result<TaggedManifest>> ReadTagAsync(TagName tag, bool isForClient, CancellationToken cancellationToken);

    /// <summary>What a tag is bound to here; empty when it is not. Never asks an upstream.</summary>
    Digest LiveOf(TagName tag);

    /// <summary>The tags that are bound to a manifest here. Never asks an upstream.</summary>
    IAsyncEnumerable<TagName> TagsOfAsync(Digest digest);

    /// <summary>
    /// The digests that a cached tag was bound to before, the latest first, at most 16; empty for a tag of any other repository.
    /// </summary>
    IReadOnlyList<Digest> HistoryOf(TagName tag);

    /// <summary>
    /// The digests that a tag of any repository was bound to before, the latest first, at most 16, for a person who rolls it back. No
    /// verdict rests on them.
    /// </summary>
    IReadOnlyList<Digest> EarlierOf(TagName tag);

    /// <summary>Every held push, expired ones too, in no order.</summary>
    IReadOnlyList<HeldPush> HeldPushes();

    /// <summary>
    /// The tags after <paramref name="last"/> in bytewise order, at most <paramref name="count"/>; absent when the repository does not
    /// exist.
    /// </summary>
    ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken);
}

/// <summary>What the manifests of one repository say about each other, and how often that has changed.</summary>
public interface IRepositoryEvidence
{
    /// <summary>
    /// Descriptors of all manifests that name this subject, sorted by digest, at most <see cref="MaxReferrers"/>. Those of the referrers
    /// tag schema are included.
    /// </summary>
    ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken);

    /// <summary>
    /// The manifests that may be evidence about a subject, newest first: those that name it, and those that were ever pushed under its
    /// tags for evidence. For an upstream's repository also those that the upstream lists.
    /// </summary>
    ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken);

    /// <summary>Whether an admitting verdict has rested on evidence about a manifest. Never asks an upstream.</summary>
    ValueTask<bool> HasCountedEvidenceAsync(Digest subject);

    /// <summary>
    /// The subjects that a manifest may be evidence about: the one that it names, and those under whose tags for evidence it was pushed.
    /// Never asks an upstream.
    /// </summary>
    ValueTask<IReadOnlyList<Digest>> SubjectsOfAsync(Digest evidence);

    /// <summary>Evidence whose subject is not stored here, as far as that was noted, with the subject; in no order.</summary>
    IAsyncEnumerable<(Digest Evidence, Digest Subject)> OrphansAsync();

    /// <summary>The stored indexes that name a manifest, in no order; some may have been removed since.</summary>
    ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child);

    /// <summary>
    /// When a manifest was first seen in this repository: as noted, otherwise when it was stored; null when it never was here.
    /// </summary>
    ValueTask<DateTimeOffset?> FirstSeenAsync(Digest digest);

    /// <summary>The release of a manifest by an operator; null when there is none.</summary>
    ManifestRelease? ReleaseOf(Digest manifest) => null;

    /// <summary>Whether a manifest was pushed here and is at no upstream: only callers of this gateway can know of it.</summary>
    bool IsPushed(Digest manifest);

    /// <summary>
    /// A number that rises with every change of a subject's evidence or held pushes. A caller reads it before it evaluates, and states it
    /// in the change that rests on the verdict; a change in between is then detected.
    /// </summary>
    long VersionOf(Digest subject);

    /// <summary>A number that rises whenever any subject's version does, or an index is added or removed.</summary>
    long Version { get; }

    /// <summary>A number that rises when something is removed that an admitting verdict may rest on.</summary>
    long Lost { get; }

    /// <summary>Most referrers of one subject that are listed; the others are counted in a metric and omitted.</summary>
    const int MaxReferrers = 10_000;
}

/// <summary>The upload sessions of one repository.</summary>
public interface IRepositoryUploads
{
    /// <summary>
    /// Opens an upload session. Throws <see cref="StoreReadOnlyException"/> when the volume is read-only or the limit is reached.
    /// </summary>
    ValueTask<Upload> OpenUploadAsync(DigestAlgorithm algorithm, string actor, CancellationToken cancellationToken);

    /// <summary>
    /// Finds a session of this repository, without taking it over; null when there is none, and for a session of another repository.
    /// </summary>
    ValueTask<Upload?> FindUploadAsync(string id, CancellationToken cancellationToken);
}

/// <summary>The one write of a repository.</summary>
public interface IRepositoryChanges
{
    /// <summary>
    /// Applies a change whole or not at all. Returns when it is durable and, if an upstream must have it, when the upstream has it.
    /// Throws <see cref="StoreReadOnlyException"/> when nothing can be written, and <see cref="NotForwardedException"/> when an upstream
    /// did not take it; nothing is changed here then.
    /// </summary>
    ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken);

    /// <summary>The number of entries that changes with a <see cref="Room"/> have added since the start.</summary>
    long Additions { get; }
}
