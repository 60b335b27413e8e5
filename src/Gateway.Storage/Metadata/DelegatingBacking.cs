using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>A backing that delegates every member to another one, unless a subclass overrides it.</summary>
public abstract class DelegatingBacking(IBacking inner) : IBacking
{
    /// <inheritdoc/>
    public virtual IRepositoryUploads? Uploads => inner.Uploads;

    /// <summary>False, whatever is behind it: a subclass may add an upstream.</summary>
    public virtual bool IsBuiltIn => false;

    /// <inheritdoc/>
    public virtual ValueTask<CaughtUp> CatchUpAsync(CancellationToken cancellationToken) => inner.CatchUpAsync(cancellationToken);

    /// <inheritdoc/>
    public virtual long Version => inner.Version;

    /// <inheritdoc/>
    public virtual long Lost => inner.Lost;

    /// <inheritdoc/>
    public virtual long Additions => inner.Additions;

    /// <inheritdoc/>
    public virtual ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        inner.ReadManifestAsync(digest, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken) =>
        inner.OpenBlobAsync(digest, use, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<Uri?> RedirectAsync(Digest digest, CancellationToken cancellationToken) =>
        inner.RedirectAsync(digest, cancellationToken);

    /// <inheritdoc/>
    public virtual void Requested(Digest digest, Result<StoredManifest> result) => inner.Requested(digest, result);

    /// <inheritdoc/>
    public virtual void Requested(Result<IContent> result) => inner.Requested(result);

    /// <inheritdoc/>
    public virtual ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken) =>
        inner.PrefetchAsync(blob, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) =>
        inner.ReadLinkAsync(digest, kind, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken) =>
        inner.HasBytesAsync(kind, digest, size, cancellationToken);

    /// <inheritdoc/>
    public virtual IAsyncEnumerable<Digest> ManifestsAsync(DigestAlgorithm? algorithm = null) => inner.ManifestsAsync(algorithm);

    /// <inheritdoc/>
    public virtual ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken) =>
        inner.ResolveAsync(tag, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<Result<TaggedManifest>> ReadTagAsync(TagName tag, bool isForClient, CancellationToken cancellationToken) =>
        inner.ReadTagAsync(tag, isForClient, cancellationToken);

    /// <inheritdoc/>
    public virtual Digest LiveOf(TagName tag) => inner.LiveOf(tag);

    /// <inheritdoc/>
    public virtual IAsyncEnumerable<TagName> TagsOfAsync(Digest digest) => inner.TagsOfAsync(digest);

    /// <inheritdoc/>
    public virtual IReadOnlyList<Digest> HistoryOf(TagName tag) => inner.HistoryOf(tag);

    /// <inheritdoc/>
    public virtual IReadOnlyList<Digest> EarlierOf(TagName tag) => inner.EarlierOf(tag);

    /// <inheritdoc/>
    public virtual IReadOnlyList<HeldPush> HeldPushes() => inner.HeldPushes();

    /// <inheritdoc/>
    public virtual ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken) =>
        inner.TagsAfterAsync(last, count, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) =>
        inner.ReferrersAsync(subject, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken) =>
        inner.EvidenceAsync(subject, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<IReadOnlyList<Digest>> SubjectsOfAsync(Digest evidence) => inner.SubjectsOfAsync(evidence);

    /// <inheritdoc/>
    public virtual IAsyncEnumerable<(Digest Evidence, Digest Subject)> OrphansAsync() => inner.OrphansAsync();

    /// <inheritdoc/>
    public virtual ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child) => inner.IndexesOfAsync(child);

    /// <inheritdoc/>
    public virtual ValueTask<DateTimeOffset?> FirstSeenAsync(Digest digest) => inner.FirstSeenAsync(digest);

    /// <inheritdoc/>
    public virtual ManifestRelease? ReleaseOf(Digest manifest) => inner.ReleaseOf(manifest);

    /// <inheritdoc/>
    public virtual bool IsPushed(Digest manifest) => inner.IsPushed(manifest);

    /// <inheritdoc/>
    public virtual long VersionOf(Digest subject) => inner.VersionOf(subject);

    /// <inheritdoc/>
    public virtual ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken) =>
        inner.CommitAsync(change, cancellationToken);
}
