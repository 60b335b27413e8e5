using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>One repository in one root on disk. Over the kept root this is the backing of built-in repositories; pull-through keeps what it fetched in one over the cached root.</summary>
internal sealed class StoredRepository : IBacking
{
    public ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Upload?> OpenUploadAsync(DigestAlgorithm algorithm, string actor, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Upload?> FindUploadAsync(string id, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken) => throw new NotImplementedException();
}
