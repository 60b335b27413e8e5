using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What a push of a manifest brings.</summary>
/// <param name="Reference">What it is pushed by.</param>
/// <param name="Tags">Tags of <c>?tag=</c> (distribution-spec main, end-7b); all are bound or none.</param>
/// <param name="ContentType">The header without parameters; null when it was not sent.</param>
internal sealed record ManifestPush(Reference Reference, ImmutableArray<TagName> Tags, string? ContentType, ReadOnlyMemory<byte> Bytes);

/// <summary>What became of a push.</summary>
/// <param name="Subject">For <c>OCI-Subject</c>; empty when the manifest names none.</param>
/// <param name="Tags">Tags bound by <c>?tag=</c>, for <c>OCI-Tag</c>.</param>
internal sealed record PushedManifest(Digest Digest, Digest Subject, ImmutableArray<TagName> Tags);

/// <summary>One page of referrers.</summary>
internal sealed record ReferrersPage(IReadOnlyList<Descriptor> Items, bool More);

/// <summary>
/// One repository as its askers see it: the gate. The only thing that handlers can name; who sees what is decided here and nowhere else.
/// </summary>
internal sealed class Repository
{
    /// <summary>The name that clients use.</summary>
    public RepositoryName Name => throw new NotImplementedException();

    public ValueTask<Answer<StoredManifest>> GetManifestAsync(Asker asker, Reference reference, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Answer<PushedManifest>> PutManifestAsync(Asker asker, ManifestPush push, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>By digest: the manifest and every tag bound to it. By tag: the tag alone.</summary>
    public ValueTask<Answer<Digest>> DeleteManifestAsync(Asker asker, Reference reference, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Opens a blob; the caller disposes it.</summary>
    public ValueTask<Answer<IContent>> OpenBlobAsync(Asker asker, Digest digest, BlobUse use, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<Answer<Digest>> DeleteBlobAsync(Asker asker, Digest digest, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Opens a session; <see cref="Answer{T}.Invalid"/> with <c>UNSUPPORTED</c> (405) where nothing can be pushed.</summary>
    public ValueTask<Answer<Upload>> OpenUploadAsync(Asker asker, DigestAlgorithm algorithm, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Finds a session; <see cref="Answer{T}.Absent"/> (404 <c>BLOB_UPLOAD_UNKNOWN</c>) for any that is not this repository's.</summary>
    public ValueTask<Answer<Upload>> FindUploadAsync(Asker asker, string id, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Makes a finished upload the repository's blob; <c>DIGEST_INVALID</c> when its bytes have another digest.</summary>
    public ValueTask<Answer<Digest>> CompleteUploadAsync(Asker asker, Upload upload, Digest digest, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>
    /// Links a blob from another repository (null: from wherever this asker may read it). False means "open an upload session instead", for whatever reason.
    /// </summary>
    public ValueTask<bool> MountAsync(Asker asker, Digest digest, (Repository Repository, Asker Asker)? from, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Tags after <paramref name="last"/>, at most <paramref name="count"/>.</summary>
    public ValueTask<Answer<Page<TagName>>> TagsAsync(Asker asker, string? last, int count, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Referrers of a subject after <paramref name="last"/> (a digest), of one artifact type where one is given; found and empty for an unknown subject.</summary>
    public ValueTask<Answer<ReferrersPage>> ReferrersAsync(Asker asker, Digest subject, string? artifactType, string? last, CancellationToken cancellationToken) => throw new NotImplementedException();
}
