namespace Gateway.Storage;

/// <summary>
/// A bucket of an object store with the S3 protocol. A key is replaced in one step, and a read that begins after a write has returned sees
/// that write. Only these verbs are used, so that every store which has them can be used.
/// </summary>
/// <remarks>
/// Errors: <see cref="PreconditionFailedException"/> when the store says that a condition does not hold: nothing was written. Any other
/// <see cref="IOException"/> of a write means that the caller does not know whether it was done, and must look.
/// </remarks>
internal interface IBucket
{
    /// <summary>What the clock of the store shows now, to some seconds; null if that is not known.</summary>
    DateTimeOffset? Time => null;

    /// <summary>The facts of an object; null when there is none.</summary>
    ValueTask<ObjectFacts?> HeadAsync(string key, CancellationToken cancellationToken);

    /// <summary>
    /// Reads a small object whole, in one request. Throws <see cref="InvalidDataException"/> when it is longer than <paramref name="most"/>
    /// bytes.
    /// </summary>
    /// <param name="unlessETag">
    /// The ETag that the caller has, or null. If the object still has it, the answer is <see cref="SmallObject.IsUnchanged"/>.
    /// </param>
    ValueTask<SmallObject> ReadAsync(string key, int most, string? unlessETag, CancellationToken cancellationToken);

    /// <summary>Opens a range of an object; null when there is no object.</summary>
    /// <param name="offset">The first byte; at most the length of the object.</param>
    /// <param name="count">Bytes, fewer where the object ends; null for all to the end.</param>
    ValueTask<ObjectBody?> OpenAsync(string key, long offset, long? count, CancellationToken cancellationToken);

    /// <summary>Writes an object whole. Returns its ETag.</summary>
    ValueTask<string> PutAsync(string key, ReadOnlyMemory<byte> bytes, PutCondition condition, CancellationToken cancellationToken);

    /// <summary>Removes an object; does nothing when there is none.</summary>
    ValueTask DeleteAsync(string key, CancellationToken cancellationToken);

    /// <summary>
    /// Makes a request that removes an object, and that the store refuses once its own clock is past a time: it is signed now, and sent
    /// once, never again. Nothing is requested before the result is called.
    /// </summary>
    /// <param name="notAfter">By the clock of the store, in whole seconds.</param>
    /// <returns>
    /// Null when the time is over by the clock of this machine. Otherwise a call that sends the request: true when the object is gone,
    /// false when the store refused. Throws <see cref="IOException"/> when that is not known; the request may still be done until
    /// <paramref name="notAfter"/>.
    /// </returns>
    ValueTask<Func<CancellationToken, ValueTask<bool>>?> PrepareDeleteAsync(
        string key, DateTimeOffset notAfter, CancellationToken cancellationToken);

    /// <summary>
    /// The objects whose keys begin with a prefix, in bytewise order of their keys, read page by page.
    /// </summary>
    /// <param name="after">Only keys after this one; null for all.</param>
    IAsyncEnumerable<ListedObject> ListAsync(string prefix, string? after, CancellationToken cancellationToken);

    /// <summary>Begins a multipart upload. Returns its id.</summary>
    ValueTask<string> CreateMultipartAsync(string key, CancellationToken cancellationToken);

    /// <summary>Writes a part. Returns its ETag.</summary>
    /// <param name="number">From 1 to <see cref="MaxParts"/>.</param>
    /// <param name="bytes">At least <see cref="MinPart"/> bytes, except for the last part.</param>
    ValueTask<string> UploadPartAsync(
        string key, string id, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>
    /// Copies another object of at least <see cref="MinPart"/> bytes (the last part: of any length) as a part, without reading it here.
    /// Returns its ETag.
    /// </summary>
    /// <param name="number">See <see cref="UploadPartAsync"/>.</param>
    ValueTask<string> CopyPartAsync(string key, string id, int number, string from, CancellationToken cancellationToken);

    /// <summary>Makes the parts, in the order of their numbers, the object.</summary>
    ValueTask CompleteMultipartAsync(
        string key, string id, IReadOnlyList<(int Number, string ETag)> parts, CancellationToken cancellationToken);

    /// <summary>Drops the parts of a multipart upload; does nothing when there is none.</summary>
    ValueTask AbortMultipartAsync(string key, string id, CancellationToken cancellationToken);

    /// <summary>
    /// An address from which a client without credentials can GET an object until it expires. The store is not asked, so the object need
    /// not exist. Null when the bucket has no such addresses.
    /// </summary>
    /// <param name="validFor">How long the address is valid, from 1 s to 7 days (S3's documented limit).</param>
    /// <param name="contentType">The <c>Content-Type</c> that the store answers with; null for that of the object.</param>
    ValueTask<Uri?> SignAsync(string key, TimeSpan validFor, string? contentType, CancellationToken cancellationToken);

    /// <summary>Least bytes of every part but the last (S3's documented limit: 5 MiB).</summary>
    int MinPart { get; }

    /// <summary>Most parts of an upload (S3's documented limit).</summary>
    const int MaxParts = 10_000;
}

/// <summary>What a store says about an object.</summary>
/// <param name="ETag">
/// In quotes, as the store writes it. It changes with every write that has other bytes. Stores make it of the bytes: the same bytes have
/// the same ETag again, so a writer that relies on <c>If-Match</c> adds something unique to the bytes.
/// </param>
/// <param name="Length">Bytes.</param>
/// <param name="Written">The store's own time of the last write, to the second.</param>
internal readonly record struct ObjectFacts(string ETag, long Length, DateTimeOffset Written);

internal readonly record struct ListedObject(string Key, ObjectFacts Facts);

/// <summary>The answer to a read of a small object.</summary>
/// <param name="ETag">Null when there is no object.</param>
/// <param name="Bytes">Empty unless the object exists and has another ETag than the caller's.</param>
/// <param name="IsUnchanged">Whether the object has the ETag that the caller has.</param>
internal readonly record struct SmallObject(string? ETag, ReadOnlyMemory<byte> Bytes, bool IsUnchanged);

/// <summary>An opened range of an object.</summary>
/// <param name="Bytes">The bytes of the range; the caller disposes of it.</param>
/// <param name="Facts">The facts of the whole object.</param>
internal sealed record ObjectBody(Stream Bytes, ObjectFacts Facts) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Bytes.DisposeAsync();
}

/// <summary>What must hold when an object is written.</summary>
/// <param name="ETag">The object must have this ETag (<c>If-Match</c>); null for no such condition.</param>
/// <param name="IsAbsent">The object must not exist (<c>If-None-Match: *</c>).</param>
internal readonly record struct PutCondition(string? ETag, bool IsAbsent)
{
    /// <summary>Nothing: the object is created or replaced.</summary>
    public static readonly PutCondition None;

    /// <summary>The object must not exist.</summary>
    public static readonly PutCondition Absent = new(null, IsAbsent: true);

    /// <summary>The object must have this ETag.</summary>
    public static PutCondition Match(string etag) => new(etag, IsAbsent: false);
}

/// <summary>The store answered that a condition does not hold (412, or 409 for a write beside another one). Nothing was written.</summary>
internal sealed class PreconditionFailedException(string key)
    : IOException($"expected the condition of a write of {key} to hold, got a conflict with another write");
