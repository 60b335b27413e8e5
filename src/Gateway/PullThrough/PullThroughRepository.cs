using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>A repository of an upstream: what is kept of it here, and the upstream behind that.</summary>
internal sealed class PullThroughRepository(StoredRepository stored, IUpstreamRegistry upstream, RepositoryName upstreamName, FetchTable fetches, TimeProvider clock) : IBacking
{
    private readonly object _unused = (stored, upstream, upstreamName, fetches, clock);

    public ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken) => throw new NotImplementedException(_unused.ToString());

    public ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken) => throw new NotImplementedException();

    public IEnumerable<Digest> Manifests() => stored.Manifests();

    public ValueTask<Upload?> OpenUploadAsync(DigestAlgorithm algorithm, string actor, CancellationToken cancellationToken) => ValueTask.FromResult<Upload?>(null);

    public ValueTask<Upload?> FindUploadAsync(string id, CancellationToken cancellationToken) => ValueTask.FromResult<Upload?>(null);

    public ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken) => throw new NotImplementedException();
}
