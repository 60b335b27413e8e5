using Gateway.Access;
using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Blobs, and upload sessions.</summary>
internal sealed partial class Repository
{
    /// <summary>Opens a blob. The caller of this method disposes it.</summary>
    public async ValueTask<Answer<IContent>> OpenBlobAsync(Caller caller, Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        if (!(takesPushes && caller.MayPush)
            && await _admission.FindAsync(digest, cancellationToken) is { IsAdmitted: false, Unknown: var unknown })
        {
            if (unknown is not null) return evaluator.NotKnown<IContent>(unknown, digest);
            if (await NotAdmittedAsync(caller, digest, cancellationToken) is { } refusal) return refusal;
        }
        var result = await backing.OpenBlobAsync(digest, use, cancellationToken);
        if (!caller.IsGateway) backing.Requested(result);
        return result.ToAnswer();
    }

    /// <summary>
    /// An address from which the client reads a blob itself, which <see cref="OpenBlobAsync"/> has found for it; null when the gateway
    /// sends the bytes. A caller that may push gets none: it also sees content that the policy holds back, and an address can be passed on.
    /// </summary>
    public ValueTask<Uri?> RedirectAsync(Caller caller, Digest digest, CancellationToken cancellationToken) =>
        takesPushes && caller.MayPush ? default : backing.RedirectAsync(digest, cancellationToken);

    /// <summary>
    /// The answer when no manifest admits the blob: absent, unless it is not known whether another replica has seen one, or the upstream
    /// could not say whether this client may see the repository. Null when a manifest that another replica has seen admits the blob here.
    /// </summary>
    private async ValueTask<Answer<IContent>?> NotAdmittedAsync(Caller caller, Digest digest, CancellationToken cancellationToken)
    {
        var looked = await LookElsewhereAsync(
            caller, LinkKind.Blob, digest, async () => (await _admission.FindAsync(digest, CancellationToken.None)).IsAdmitted,
            cancellationToken);
        if (looked.IsAdmitted) return null;
        if (looked.Why is { } why) return why.WithoutValue<StoredManifest, IContent>();
        var here = await backing.OpenBlobAsync(digest, BlobUse.Here, cancellationToken);
        if (here is Result<IContent>.Found { Value: var content }) await content.DisposeAsync();
        return here is Result<IContent>.Unavailable ? here.ToAnswer() : new Answer<IContent>.Absent(CacheHandling.Local);
    }

    /// <summary>Fetches a blob of an admitted manifest of this repository before a client asks for it, as far as there is room.</summary>
    public ValueTask<Prefetched> PrefetchBlobAsync(Descriptor blob, CancellationToken cancellationToken) =>
        backing.PrefetchAsync(blob, cancellationToken);

    /// <summary>
    /// Opens an upload session. Invalid with <c>UNSUPPORTED</c> where nothing can be pushed, and with <c>TOOMANYREQUESTS</c> when the limit
    /// of open sessions is reached.
    /// </summary>
    public ValueTask<Answer<Upload>> OpenUploadAsync(
        Caller caller, DigestAlgorithm algorithm, CancellationToken cancellationToken) => Changes.WriteAsync<Upload>(async () =>
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

    /// <summary>Finds an upload session. Absent for a session of another repository, or of another account.</summary>
    public ValueTask<Answer<Upload>> FindUploadAsync(
        Caller caller, string id, CancellationToken cancellationToken) => Changes.WriteAsync<Upload>(async () =>
    {
        var found = backing.Uploads is { } uploads ? await uploads.FindUploadAsync(id, cancellationToken) : null;
        if (found is not { } upload) return new Answer<Upload>.Absent(CacheHandling.Local);
        if (upload.Actor == caller.Actor) return new Answer<Upload>.Found(upload, CacheHandling.Local);
        await upload.DisposeAsync();
        return new Answer<Upload>.Absent(CacheHandling.Local);
    });

    /// <summary>Links the bytes of a finished upload. Invalid with <c>DIGEST_INVALID</c> when they have another digest.</summary>
    public ValueTask<Answer<Digest>> CompleteUploadAsync(
        Caller caller, Upload upload, Digest digest, CancellationToken cancellationToken) => Changes.WriteAsync<Digest>(async () =>
    {
        if (RefuseChange<Digest>(caller, AccessActions.Push) is { } refusal) return refusal;
        var found = await upload.FinishAsync(digest.Algorithm, cancellationToken);
        if (found != digest)
            return new Answer<Digest>.Invalid(
                RegistryErrorCode.DIGEST_INVALID, $"expected a blob {digest}, got {upload.Length} bytes that are {found}; push it again");
        var change = new Change([new Operation.LinkBlob(digest, upload.Length, upload.Id)]).By(caller);
        switch (await backing.CommitAsync(change, cancellationToken))
        {
            case CommitResult.Superseded:
                return new Answer<Digest>.Superseded();
            case CommitResult.Missing:
                return new Answer<Digest>.Invalid(
                    RegistryErrorCode.BLOB_UPLOAD_INVALID,
                    $"expected the bytes of {digest} in upload session {upload.Id}, got none: the session has ended; push the blob again");
        }
        recent.Note(digest, Name);
        return new Answer<Digest>.Found(digest, CacheHandling.Local);
    });

    /// <summary>
    /// Links a blob of another repository. False stands for "open an upload session instead", whatever the reason: the client learns
    /// nothing about repositories that it must not pull from.
    /// </summary>
    /// <param name="caller">The caller here.</param>
    /// <param name="digest">The blob.</param>
    /// <param name="from">The repository that has the blob.</param>
    /// <param name="there">The caller there.</param>
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
            var change = new Change([new Operation.LinkBlob(digest, size)]).By(caller);
            if (await backing.CommitAsync(change, cancellationToken) is not CommitResult.Committed) return false;
            recent.Note(digest, Name);
            return true;
        }
        catch (IOException)
        {
            // The volume accepts no writes, or the content was evicted just now. The upload session reports the first, and repairs the
            // second.
            return false;
        }
    }
}
