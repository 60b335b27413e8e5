using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Blobs, and the uploads that bring them.</summary>
internal sealed partial class Repository
{
    /// <summary>Opens a blob; the caller disposes it.</summary>
    public async ValueTask<Answer<IContent>> OpenBlobAsync(Caller caller, Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        if (!(takesPushes && caller.MayPush)
            && await _admission.FindAsync(digest, cancellationToken) is { IsAdmitted: false, Unknown: var unknown })
            return unknown is null
                ? await NotAdmittedAsync(digest, cancellationToken)
                : NotKnown<IContent>(unknown, digest, CacheHandling.Local);
        return await backing.OpenBlobAsync(digest, use, cancellationToken) switch
        {
            Result<IContent>.Found found => new Answer<IContent>.Found(found.Value, found.Handling),
            Result<IContent>.Unavailable no => new Answer<IContent>.Unavailable(no.RetryAfter, no.Why, no.Handling)
            {
                IsDamaged = no.IsDamaged,
            },
            var no => new Answer<IContent>.Absent(no.Handling),
        };
    }

    /// <summary>
    /// No manifest admits it: absent, unless the upstream could not say whether this client may see anything of the repository.
    /// </summary>
    private async ValueTask<Answer<IContent>> NotAdmittedAsync(Digest digest, CancellationToken cancellationToken)
    {
        var here = await backing.OpenBlobAsync(digest, BlobUse.Here, cancellationToken);
        if (here is Result<IContent>.Found { Value: var content }) await content.DisposeAsync();
        return here is Result<IContent>.Unavailable no
            ? new Answer<IContent>.Unavailable(no.RetryAfter, no.Why, no.Handling)
            : new Answer<IContent>.Absent(CacheHandling.Local);
    }

    /// <summary>Brings a blob of one of the repository's admitted manifests here ahead of need, as far as there is room.</summary>
    public ValueTask<Prefetched> PrefetchBlobAsync(Descriptor blob, CancellationToken cancellationToken) =>
        backing.PrefetchAsync(blob, cancellationToken);

    /// <summary>
    /// Opens a session; <see cref="Answer{T}.Invalid"/> with <c>UNSUPPORTED</c> (405) where nothing can be pushed, and
    /// with <c>TOOMANYREQUESTS</c> where as many are open as may be.
    /// </summary>
    public ValueTask<Answer<Upload>> OpenUploadAsync(
        Caller caller, DigestAlgorithm algorithm, CancellationToken cancellationToken) => WriteAsync<Upload>(async () =>
    {
        if (RefuseChange<Upload>(caller, AccessActions.Push) is { } refusal) return refusal;
        try
        {
            return backing.Uploads is { } uploads
                ? new Answer<Upload>.Found(
                    await uploads.OpenUploadAsync(algorithm, caller.Actor, cancellationToken), CacheHandling.Local)
                : NoPushes<Upload>();
        }
        catch (TooManyUploadsException e)
        {
            return new Answer<Upload>.Invalid(RegistryErrorCode.TOOMANYREQUESTS, e.Message);
        }
    });

    /// <summary>
    /// Finds a session; <see cref="Answer{T}.Absent"/> (404 <c>BLOB_UPLOAD_UNKNOWN</c>) for any that is not this repository's, or another
    /// actor's.
    /// </summary>
    public ValueTask<Answer<Upload>> FindUploadAsync(
        Caller caller, string id, CancellationToken cancellationToken) => WriteAsync<Upload>(async () =>
    {
        var found = backing.Uploads is { } uploads ? await uploads.FindUploadAsync(id, cancellationToken) : null;
        if (found is not { } upload) return new Answer<Upload>.Absent(CacheHandling.Local);
        if (upload.Actor == caller.Actor) return new Answer<Upload>.Found(upload, CacheHandling.Local);
        await upload.DisposeAsync();
        return new Answer<Upload>.Absent(CacheHandling.Local);
    });

    /// <summary>Makes a finished upload the repository's blob; <c>DIGEST_INVALID</c> when its bytes have another digest.</summary>
    public ValueTask<Answer<Digest>> CompleteUploadAsync(
        Caller caller, Upload upload, Digest digest, CancellationToken cancellationToken) => WriteAsync<Digest>(async () =>
    {
        if (RefuseChange<Digest>(caller, AccessActions.Push) is { } refusal) return refusal;
        var found = await upload.FinishAsync(digest.Algorithm, cancellationToken);
        if (found != digest)
            return new Answer<Digest>.Invalid(
                RegistryErrorCode.DIGEST_INVALID,
                $"the blob was pushed as {digest}, but the {upload.Length} bytes received are {found}; push it again");
        var change = By(caller, new([new Operation.LinkBlob(digest, upload.Length, upload.Id)]));
        if (await backing.CommitAsync(change, cancellationToken) is CommitResult.Superseded) return new Answer<Digest>.Superseded();
        recent.Note(digest, Name);
        return new Answer<Digest>.Found(digest, CacheHandling.Local);
    });

    /// <summary>
    /// Links a blob from another repository, which the caller sees as <paramref name="there"/>. False means "open an upload session
    /// instead", for whatever reason: the caller learns nothing of repositories that he may not pull from.
    /// </summary>
    public async ValueTask<bool> MountAsync(
        Caller caller, Digest digest, Repository from, Caller there, CancellationToken cancellationToken)
    {
        if (RefuseChange<Digest>(caller, AccessActions.Push) is not null || !there.MayPull) return false;
        try
        {
            var opened = await from.OpenBlobAsync(there, digest, BlobUse.Head, cancellationToken);
            if (opened is not Answer<IContent>.Found { Value: var content }) return false;
            await content.DisposeAsync();
            if (await contents.FindAsync(digest, content.Length ?? -1, cancellationToken) is not { } size) return false;
            var change = By(caller, new([new Operation.LinkBlob(digest, size)]));
            if (await backing.CommitAsync(change, cancellationToken) is not CommitResult.Committed) return false;
            recent.Note(digest, Name);
            return true;
        }
        catch (IOException)
        {
            // The volume takes no writes, or the content has just been evicted: an upload says the first, and mends the second.
            return false;
        }
    }
}
