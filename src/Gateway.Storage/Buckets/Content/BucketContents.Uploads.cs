using System.Collections.Concurrent;

namespace Gateway.Storage;

/// <summary>Uploads in a bucket. A commit joins the chunks in the store; nothing is downloaded if the store can copy.</summary>
internal sealed partial class BucketContents
{
    /// <summary>Parts that the store copies at a time. Chosen: the store does the work, and a few hide its latency.</summary>
    private const int MaxCopying = 8;

    // Chosen: more than commits that wait at a time; one that is forgotten places its bytes once more.
    private const int MaxPlaced = 4096;

    // Uploads whose bytes are content already, until their session is removed.
    private readonly ConcurrentDictionary<string, (Digest Digest, long At)> _placed = new(StringComparer.Ordinal);
    private readonly UploadObjects _uploads;

    public bool SharesUploads => true;

    public async ValueTask<IUploadData> CreateUploadAsync(string id, UploadNote note, CancellationToken cancellationToken) =>
        new BucketUpload(
            _uploads, id, await _uploads.CreateAsync(id, new(note, _uploads.Holder, "", [], [], null), cancellationToken));

    public async ValueTask<IUploadData?> OpenUploadAsync(string id, long length, CancellationToken cancellationToken) =>
        await _uploads.ReadAsync(id, cancellationToken) is { } held ? new BucketUpload(_uploads, id, held) : null;

    public async ValueTask<UploadFacts?> FindUploadAsync(string id, CancellationToken cancellationToken) =>
        await _uploads.ReadAsync(id, cancellationToken) is { } held
        && await _uploads.WrittenAsync(id, cancellationToken) is { } written
            ? new UploadFacts(held.Record.Length, written)
            : null;

    public async ValueTask<UploadNote?> ReadUploadNoteAsync(string id, CancellationToken cancellationToken) =>
        (await _uploads.ReadAsync(id, cancellationToken))?.Record.Note;

    public IAsyncEnumerable<string> UploadsAsync(CancellationToken cancellationToken) => _uploads.ListAsync(cancellationToken);

    public async ValueTask<bool> RemoveLeftoversAsync(string id, DateTimeOffset oldest, CancellationToken cancellationToken) =>
        await _uploads.ReadAsync(id, cancellationToken) is null
        && await _uploads.RemoveLeftoversAsync(id, oldest, cancellationToken);

    public async ValueTask PlaceUploadAsync(string id, Digest digest, CancellationToken cancellationToken)
    {
        if (_placed.TryGetValue(id, out var placed) && placed.Digest == digest && IsKnown(placed.At)) return;
        var began = _clock.GetTimestamp();
        if (await _uploads.ReadAsync(id, cancellationToken) is not { Record: var record }) return;
        // Another process may have appended since the digest was computed: only the record says of which bytes it is.
        var isNoted = record.Digest == digest.ToString();
        try
        {
            if (!isNoted || record.Length <= _buffers.Bytes || !await TryCopyAsync(id, record, digest, cancellationToken))
                await PassAsync(id, record, digest, isNoted, cancellationToken);
        }
        catch (FileNotFoundException)
        {
            // Another process may have committed the same upload meanwhile, and removed its chunks.
            if (await _uploads.ReadAsync(id, cancellationToken) is not null) throw;
            return;
        }
        Stored(digest, null, 0);
        // A client may never ask again to end its session.
        if (_placed.Count >= MaxPlaced) _placed.Clear();
        _placed[id] = (digest, began);
    }

    /// <summary>Lets the store join the chunks; false when it could not.</summary>
    private async ValueTask<bool> TryCopyAsync(string id, UploadRecord record, Digest digest, CancellationToken cancellationToken)
    {
        var key = Data(digest);
        var upload = await _bucket.CreateMultipartAsync(key, cancellationToken);
        var parts = new (int Number, string ETag)[record.Chunks.Count + (record.Tail.Length > 0 ? 1 : 0)];
        try
        {
            var copying = new ParallelOptions { MaxDegreeOfParallelism = MaxCopying, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(Enumerable.Range(0, record.Chunks.Count), copying, async (i, token) =>
            {
                var from = _uploads.ChunkOf(id, record.Chunks[i]);
                parts[i] = (i + 1, await _bucket.CopyPartAsync(key, upload, i + 1, from, token));
            });
            if (record.Tail.Length > 0)
                parts[^1] = (parts.Length, await _bucket.UploadPartAsync(key, upload, parts.Length, record.Tail, cancellationToken));
            await _bucket.CompleteMultipartAsync(key, upload, parts, cancellationToken);
            return true;
        }
        catch (Exception e)
        {
            await TryAbortAsync(key, upload);
            if (e is not IOException) throw;
            return false;
        }
    }

    private async ValueTask TryAbortAsync(string key, string upload)
    {
        try
        {
            await _bucket.AbortMultipartAsync(key, upload, CancellationToken.None);
        }
        catch (IOException)
        {
            // The bucket's rule for incomplete multipart uploads removes the parts.
        }
    }

    /// <summary>
    /// Writes the bytes of an upload once more, from the local disk or else from the chunks. Throws <see cref="UploadTakenOverException"/>,
    /// and writes nothing, when they have another digest.
    /// </summary>
    /// <param name="isNoted">Whether the record has this digest; otherwise the bytes are hashed.</param>
    private async ValueTask PassAsync(
        string id, UploadRecord record, Digest digest, bool isNoted, CancellationToken cancellationToken)
    {
        using var hash = isNoted ? null : new ContentHash(digest.Algorithm);
        await using var writer = new ObjectWriter(_bucket, Data(digest), _buffers, hash);
        if (_uploads.WholeSpool(id, record.Length) is { } local) await local.CopyToAsync(writer, cancellationToken);
        else
        {
            foreach (var chunk in record.Chunks) await writer.CopyAsync(_uploads.ChunkOf(id, chunk), chunk.Length, cancellationToken);
            await writer.WriteAsync(record.Tail, cancellationToken);
        }
        if (hash is not null && Digest.FromHash(digest.Algorithm, hash.GetHashAndReset()) is var found && found != digest)
            throw new UploadTakenOverException(
                new IOException($"expected an upload of {digest}, got {record.Length} bytes that are {found}"));
        await writer.CompleteAsync(cancellationToken);
    }

    public async ValueTask CommitUploadAsync(string id, Digest digest, CancellationToken cancellationToken)
    {
        await PlaceUploadAsync(id, digest, cancellationToken);
        await _uploads.RemoveAsync(id, digest, cancellationToken);
        _placed.TryRemove(id, out _);
    }

    public ValueTask<bool> RemoveUploadAsync(string id, CancellationToken cancellationToken) =>
        _uploads.RemoveAsync(id, _placed.TryRemove(id, out var placed) ? placed.Digest : default, cancellationToken);
}
