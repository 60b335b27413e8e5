namespace Gateway.Storage;

#pragma warning disable CS1591 // Each member is described in IBacking and its parts.

/// <summary>A backing that delegates every member to another one, unless a subclass overrides it.</summary>
public abstract class DelegatingBacking(IBacking inner) : IBacking
{
    public virtual IRepositoryUploads? Uploads => inner.Uploads;

    /// <summary>False, whatever is behind it: a subclass may add an upstream.</summary>
    public virtual bool IsBuiltIn => false;

    public virtual ValueTask<CaughtUp> CatchUpAsync(CancellationToken cancellationToken) => inner.CatchUpAsync(cancellationToken);

    public virtual IOtherReplicas? Others => inner.Others;

    public virtual long Version => inner.Version;

    public virtual long Lost => inner.Lost;

    public virtual long Additions => inner.Additions;

    public virtual ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        inner.ReadManifestAsync(digest, cancellationToken);

    public virtual ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken) =>
        inner.OpenBlobAsync(digest, use, cancellationToken);

    public virtual ValueTask<Uri?> RedirectAsync(Digest digest, CancellationToken cancellationToken) =>
        inner.RedirectAsync(digest, cancellationToken);

    public virtual void Requested(Digest digest, Result<StoredManifest> result) => inner.Requested(digest, result);

    public virtual void Requested(Result<IContent> result) => inner.Requested(result);

    public virtual ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken) =>
        inner.PrefetchAsync(blob, cancellationToken);

    public virtual ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) =>
        inner.ReadLinkAsync(digest, kind, cancellationToken);

    public virtual ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken) =>
        inner.HasBytesAsync(kind, digest, size, cancellationToken);

    public virtual IAsyncEnumerable<Digest> ManifestsAsync(DigestAlgorithm? algorithm = null) => inner.ManifestsAsync(algorithm);

    public virtual ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken) =>
        inner.ResolveAsync(tag, cancellationToken);

    public virtual ValueTask<Result<TaggedManifest>> ReadTagAsync(TagName tag, bool isForClient, CancellationToken cancellationToken) =>
        inner.ReadTagAsync(tag, isForClient, cancellationToken);

    public virtual Digest LiveOf(TagName tag) => inner.LiveOf(tag);

    public virtual IAsyncEnumerable<TagName> TagsOfAsync(Digest digest) => inner.TagsOfAsync(digest);

    public virtual IReadOnlyList<Digest> HistoryOf(TagName tag) => inner.HistoryOf(tag);

    public virtual IReadOnlyList<Digest> EarlierOf(TagName tag) => inner.EarlierOf(tag);

    public virtual IReadOnlyList<HeldPush> HeldPushes() => inner.HeldPushes();

    public virtual ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken) =>
        inner.TagsAfterAsync(last, count, cancellationToken);

    public virtual ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) =>
        inner.ReferrersAsync(subject, cancellationToken);

    public virtual ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken) =>
        inner.EvidenceAsync(subject, cancellationToken);

    public virtual ValueTask<IReadOnlyList<Digest>> SubjectsOfAsync(Digest evidence) => inner.SubjectsOfAsync(evidence);

    public virtual IAsyncEnumerable<(Digest Evidence, Digest Subject)> OrphansAsync() => inner.OrphansAsync();

    public virtual ValueTask<bool> HasCountedEvidenceAsync(Digest subject) => inner.HasCountedEvidenceAsync(subject);

    public virtual ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child) => inner.IndexesOfAsync(child);

    public virtual ValueTask<DateTimeOffset?> FirstSeenAsync(Digest digest) => inner.FirstSeenAsync(digest);

    public virtual ManifestRelease? ReleaseOf(Digest manifest) => inner.ReleaseOf(manifest);

    public virtual bool IsPushed(Digest manifest) => inner.IsPushed(manifest);

    public virtual long VersionOf(Digest subject) => inner.VersionOf(subject);

    public virtual ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken) =>
        inner.CommitAsync(change, cancellationToken);
}
