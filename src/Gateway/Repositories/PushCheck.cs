using System.Collections.Immutable;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Checks that all clients read a pushed manifest in the same way, and that the repository has everything that it names.</summary>
internal static class PushCheck
{
    /// <summary>Parses the document of a push. The first error is returned.</summary>
    public static (StoredManifest? Manifest, Answer<PushedManifest>.Invalid? Problem) Read(ManifestPush push, ManifestLimits limits)
    {
        if (push.ContentType is null or "application/json")
            return (null, Unsupported(
                "expected a Content-Type of a manifest, such as application/vnd.oci.image.manifest.v1+json; "
                + "schema 1 is not accepted"));
        var (manifest, problem) = ManifestReader.Read(push.Bytes, push.ContentType, limits);
        if (problem is { Code: ProblemCodes.Schema1 or ProblemCodes.UnsupportedType }) return (null, Unsupported(problem.Message));
        if (manifest is null)
            return (null, ProblemCodes.IsLimit(problem!.Code)
                ? new(RegistryErrorCode.SIZE_INVALID, problem.Message, problem.Code, InvalidCause.TooLarge)
                : new(RegistryErrorCode.MANIFEST_INVALID, problem.Message, problem.Code));

        var algorithm = push.Reference.IsDigest ? push.Reference.Digest.Algorithm : DigestAlgorithm.Sha256;
        var digest = Digest.Of(push.Bytes.Span, algorithm);
        if (push.Reference.IsDigest && push.Reference.Digest != digest)
            return (null, new(
                RegistryErrorCode.DIGEST_INVALID, $"the manifest was pushed as {push.Reference.Digest}, but its bytes are {digest}"));
        return (new(digest, manifest, push.Bytes) { IsStored = false }, null);
    }

    /// <summary>Looks for every blob and child that the manifest names, in this repository only.</summary>
    /// <returns>
    /// What the repository must still have when the manifest is committed: everything that was found. A layer with <c>urls</c> may be
    /// absent, and is not needed then.
    /// </returns>
    public static async ValueTask<(ImmutableArray<(LinkKind Kind, Digest Digest)> Needs, Answer<PushedManifest>? Problem)> FindContentAsync(
        IRepositoryContent backing, RepositoryName name, Manifest manifest, CancellationToken cancellationToken)
    {
        var needs = ImmutableArray.CreateBuilder<(LinkKind Kind, Digest Digest)>();
        foreach (var blob in manifest.Blobs)
        {
            if (!blob.Urls.IsEmpty && await backing.ReadLinkAsync(blob.Digest, LinkKind.Blob, cancellationToken) is null) continue;
            switch (await backing.FindBlobAsync(blob.Digest, cancellationToken))
            {
                case Result<Link>.Found { Value: var link }:
                    if (link.Size >= 0 && link.Size != blob.Size) return (default, WrongSize(name, blob, link.Size));
                    break;
                case Result<Link>.Unavailable no:
                    return (default, no.WithoutValue<Link, PushedManifest>());
                default:
                    return (default, Missing(name, blob, "push the blob first"));
            }
            needs.Add((LinkKind.Blob, blob.Digest));
        }
        foreach (var child in manifest.Children)
        {
            if (await CheckChildAsync(backing, name, child, cancellationToken) is { } problem) return (default, problem);
            needs.Add((MediaTypes.IsManifest(child.MediaType) ? LinkKind.Manifest : LinkKind.Blob, child.Digest));
        }
        return (needs.ToImmutable(), null);
    }

    /// <summary>Looks for a blob in the repository and, if need be, at its upstream.</summary>
    public static async ValueTask<Result<Link>> FindBlobAsync(
        this IRepositoryContent backing, Digest digest, CancellationToken cancellationToken)
    {
        if (await backing.ReadLinkAsync(digest, LinkKind.Blob, cancellationToken) is { } link
            && await backing.HasBytesAsync(LinkKind.Blob, digest, link.Size, cancellationToken))
            return new Result<Link>.Found(link, CacheHandling.Hit);
        switch (await backing.OpenBlobAsync(digest, BlobUse.Head, cancellationToken))
        {
            case Result<IContent>.Found { Value: var content } found:
                await content.DisposeAsync();
                return new Result<Link>.Found(new(content.Length ?? -1, default, default), found.Handling);
            case Result<IContent>.Unavailable { IsDamaged: false } no:
                return new Result<Link>.Unavailable(no.RetryAfter, no.Why, no.Handling);
            case var no:
                return new Result<Link>.Absent(no.Handling);
        }
    }

    private static async ValueTask<Answer<PushedManifest>?> CheckChildAsync(
        IRepositoryContent backing, RepositoryName name, Descriptor child, CancellationToken cancellationToken)
    {
        if (!MediaTypes.IsManifest(child.MediaType))
        {
            // A manifest here must have its own media type, otherwise code that walks an index would skip it.
            if (await backing.ReadLinkAsync(child.Digest, LinkKind.Manifest, cancellationToken) is not null)
                return await backing.ReadManifestAsync(child.Digest, cancellationToken) is Result<StoredManifest>.Found { Value: var held }
                    ? Mismatch(child, held.Manifest)
                    : Missing(name, child, "push what the index names first");
            return await backing.FindBlobAsync(child.Digest, cancellationToken) switch
            {
                Result<Link>.Found => null,
                Result<Link>.Unavailable no => no.WithoutValue<Link, PushedManifest>(),
                _ => Missing(name, child, "push what the index names first"),
            };
        }
        var read = await backing.ReadManifestAsync(child.Digest, cancellationToken);
        if (read is Result<StoredManifest>.Unavailable { IsDamaged: false } later)
            return later.WithoutValue<StoredManifest, PushedManifest>();
        if (read is not Result<StoredManifest>.Found { Value: var stored }
            || (stored.IsStored && !await backing.HasBytesAsync(LinkKind.Manifest, child.Digest, stored.Bytes.Length, cancellationToken)))
            return Missing(name, child, "push the manifests of an index before the index");
        if (stored.Bytes.Length != child.Size) return WrongSize(name, child, stored.Bytes.Length);
        return stored.Manifest.MediaType == child.MediaType
            ? null
            : Mismatch(child, stored.Manifest);
    }

    /// <summary>The answer when something that the manifest names was deleted between the check and the commit.</summary>
    public static Answer<PushedManifest>.Invalid DeletedMeanwhile(RepositoryName name, Digest digest) => new(
        RegistryErrorCode.MANIFEST_BLOB_UNKNOWN,
        $"{digest}, which the manifest names, was deleted from {name} during this push; push it again",
        digest.ToString());

    private static Answer<PushedManifest>.Invalid Missing(RepositoryName name, Descriptor what, string fix) =>
        new(
            RegistryErrorCode.MANIFEST_BLOB_UNKNOWN,
            $"{name} does not have {what.Digest} ({what.MediaType}), which the manifest names; {fix}", what.Digest.ToString());

    private static Answer<PushedManifest>.Invalid Mismatch(Descriptor child, Manifest truth) => new(
        RegistryErrorCode.MANIFEST_INVALID, $"the index says that {child.Digest} is {child.MediaType}, got {truth.MediaType}",
        "MEDIA_MISMATCH");

    private static Answer<PushedManifest>.Invalid WrongSize(RepositoryName name, Descriptor what, long size) =>
        new(
            RegistryErrorCode.MANIFEST_INVALID, $"the manifest says that {what.Digest} has {what.Size} bytes, but in {name} it has {size}",
            "SIZE_MISMATCH");

    private static Answer<PushedManifest>.Invalid Unsupported(string message) =>
        new(RegistryErrorCode.UNSUPPORTED, message, Cause: InvalidCause.MediaType);
}
