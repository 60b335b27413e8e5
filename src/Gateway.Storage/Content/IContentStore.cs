namespace Gateway.Storage;

/// <summary>
/// The bytes of content by digest, of one lifetime. A store knows no repositories, links or callers. It never hashes what it opens: the
/// digest of a file is checked when its length is wrong, or when it is read whole (<see cref="VolumeContent"/>). Errors of the medium throw
/// <see cref="IOException"/>; they never mean "not stored".
/// </summary>
/// <remarks>
/// The members are what both a disk and an object store can do: bytes have their digest as their name only when they are whole, an
/// existing name is replaced in one step, and readers keep what they opened. docs/design/0020-stores.md has the reasons.
/// </remarks>
internal interface IContentStore
{
    /// <summary>The length in bytes of stored content; null when it is not stored, is not whole, or is known to be damaged.</summary>
    /// <param name="size">The number of bytes that the content must have; negative when unknown.</param>
    ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken);

    /// <summary>Opens content for one reader, who disposes of it. A later removal by this process does not affect the reader.</summary>
    /// <param name="requested">The digest by which the content was requested; an alias has the same bytes under another digest.</param>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    ValueTask<Opened> OpenAsync(Digest digest, Digest requested, long size, CancellationToken cancellationToken);

    /// <summary>
    /// Reads small content whole, in one request. Null when it is not stored, is known to be damaged, or is longer than <paramref
    /// name="most"/> bytes. The caller checks the digest.
    /// </summary>
    ValueTask<byte[]?> ReadAsync(Digest digest, int most, CancellationToken cancellationToken);

    /// <summary>
    /// Reads content to its end and hashes it. Content with another digest counts as damaged from then on, until it is replaced.
    /// </summary>
    ValueTask<Examined> ExamineAsync(Digest digest, CancellationToken cancellationToken);

    /// <summary>Stores small content whole. Storing it again has the same result.</summary>
    ValueTask PutAsync(Digest digest, ReadOnlyMemory<byte> bytes, Put kind, CancellationToken cancellationToken);

    /// <summary>
    /// Stores content that another store has, durably: the other store may remove it from then on. Throws <see
    /// cref="FileNotFoundException"/> when the other store does not have it any more.
    /// </summary>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    ValueTask BorrowAsync(Digest digest, long size, IContentStore from, CancellationToken cancellationToken);

    /// <summary>
    /// Removes content; a store may keep what it removes for some time, for the operator. False, and nothing is done, while a client of
    /// this process reads the content, unless readers do not matter; true when it is not stored, too.
    /// </summary>
    ValueTask<bool> RemoveAsync(Digest digest, bool evenIfRead, CancellationToken cancellationToken);

    /// <summary>
    /// Whether other processes can continue the uploads of this store. What the store says of an upload is then newer than what this
    /// process remembers.
    /// </summary>
    bool SharesUploads { get; }

    /// <summary>Begins to receive bytes whose digest is not known yet.</summary>
    /// <param name="id">A name that was never used, of lower-case letters and digits.</param>
    /// <param name="note">Is stored with the bytes.</param>
    ValueTask<IUploadData> CreateUploadAsync(string id, UploadNote note, CancellationToken cancellationToken);

    /// <summary>Continues to receive bytes, also after a restart; null when there are none under this name.</summary>
    /// <param name="length">
    /// Bytes that belong to the upload; bytes after them are dropped. Negative for all that are stored, as a store that shares uploads
    /// always opens them.
    /// </param>
    ValueTask<IUploadData?> OpenUploadAsync(string id, long length, CancellationToken cancellationToken);

    /// <summary>What is stored of an upload's bytes; null when nothing is.</summary>
    ValueTask<UploadFacts?> FindUploadAsync(string id, CancellationToken cancellationToken);

    /// <summary>The note that was stored with an upload; null when there is none, or none that can be read.</summary>
    ValueTask<UploadNote?> ReadUploadNoteAsync(string id, CancellationToken cancellationToken);

    /// <summary>The names of all uploads of which something is stored, in no order, and some of them more than once.</summary>
    IAsyncEnumerable<string> UploadsAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Removes what is stored of an upload that has no note or no bytes, unless it is younger than this: the upload is being begun. False
    /// when nothing was removed.
    /// </summary>
    ValueTask<bool> RemoveLeftoversAsync(string id, DateTimeOffset oldest, CancellationToken cancellationToken);

    /// <summary>
    /// Does ahead of <see cref="CommitUploadAsync"/> what takes long, if anything does: after it, the commit moves no bytes. The upload can
    /// still be continued or removed. Does nothing when the upload is not stored any more.
    /// </summary>
    ValueTask PlaceUploadAsync(string id, Digest digest, CancellationToken cancellationToken);

    /// <summary>
    /// Makes the flushed bytes of an upload the content of their digest, in place of what is stored under it: the existing bytes may be
    /// damaged. Does nothing when the upload is not stored any more: it was committed before.
    /// </summary>
    ValueTask CommitUploadAsync(string id, Digest digest, CancellationToken cancellationToken);

    /// <summary>Removes the bytes of an upload, and its note; false when there are no bytes.</summary>
    ValueTask<bool> RemoveUploadAsync(string id, CancellationToken cancellationToken);
}

/// <summary>The bytes of an upload that is being received. One caller at a time has it open.</summary>
internal interface IUploadData : IAsyncDisposable
{
    /// <summary>
    /// Appends bytes. After a failure, nothing was appended. Bytes that were appended survive a restart when this object was disposed of.
    /// </summary>
    ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>
    /// Reads the bytes from an offset, in pieces, before others are appended. Throws <see cref="EndOfStreamException"/> when some are
    /// missing.
    /// </summary>
    ValueTask ReadAsync(long from, Action<ReadOnlyMemory<byte>> use, CancellationToken cancellationToken);

    /// <summary>
    /// Makes what was appended known to other processes that share the uploads, before the client is answered. Throws
    /// <see cref="UploadTakenOverException"/> when another process has taken over the session.
    /// </summary>
    /// <param name="digest">Computes the digest of all bytes by the session's own algorithm, if the store notes it.</param>
    ValueTask NoteAsync(Func<Digest> digest, CancellationToken cancellationToken);

    /// <summary>The digest of all bytes that was noted with the last of them; null when none was.</summary>
    Digest? Noted { get; }

    /// <summary>
    /// Makes everything that was appended durable. Throws <see cref="FlushFailedException"/> when the received bytes are lost.
    /// </summary>
    ValueTask FlushAsync();

    /// <summary>The number of bytes appended so far, with those of earlier callers.</summary>
    long Length { get; }
}

/// <param name="Content">Null when the store does not have it whole.</param>
/// <param name="IsUnfit">Whether the store has bytes under the digest that have another length, or are damaged.</param>
internal readonly record struct Opened(IContent? Content, bool IsUnfit)
{
    /// <summary>How the content was obtained; null for stored content of the local disk.</summary>
    public CacheHandling? Handling { get; init; }
}

/// <summary>What is stored of an upload.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="Written">When the last byte was stored.</param>
internal readonly record struct UploadFacts(long Length, DateTimeOffset Written);

/// <summary>The result of reading some content whole.</summary>
/// <param name="Length">Bytes of content whose digest is right; null when it is not stored or is damaged.</param>
/// <param name="IsDamaged">Whether the stored bytes have another digest.</param>
internal readonly record struct Examined(long? Length, bool IsDamaged);

/// <summary>How durable stored bytes must be.</summary>
internal enum Put
{
    /// <summary>They survive a power cut when the call returns.</summary>
    Durable,

    /// <summary>The journal has them too: they need not survive a power cut.</summary>
    Journaled,

    /// <summary>
    /// As <see cref="Journaled"/>, and written again even if they seem to be stored: after a failed flush, the kernel may show content
    /// that never reached the disk.
    /// </summary>
    Replayed,
}
