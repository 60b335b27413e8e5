using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Gateway.Storage;

/// <summary>
/// The session objects and chunks of uploads in a bucket, and what of them is on the local disk. Any gateway that has the bucket can
/// continue or end a session that another one began.
/// </summary>
internal sealed class UploadObjects(IBucket bucket, string prefix, PartBuffers buffers, LocalCopies copies)
{
    /// <summary>Sessions whose record stays in memory; the bucket is asked whether it is the current one. Some KiB each.</summary>
    private const int MaxKnown = 1024;

    /// <summary>
    /// Chunks that are removed at the same time: the client waits for the end of its upload, which has one for each 8 MiB. Chosen: a store
    /// answers this many small requests at once without delay.
    /// </summary>
    private const int AtOnce = 16;

    /// <summary>How often a write without an answer is sent again; the bucket's client has retried before.</summary>
    private const int MaxTries = 4;

    private readonly ConcurrentDictionary<string, HeldRecord> _known = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, UploadSpool> _spools = new(StringComparer.Ordinal);

    /// <summary>This process, for others.</summary>
    public string Holder { get; } = NewName();

    public IBucket Bucket => bucket;

    public PartBuffers Buffers => buffers;

    private string Folder => $"{prefix}gateway/uploads/";

    private string SessionOf(string id) => $"{Folder}{id}/session";

    /// <summary>The key of a chunk.</summary>
    public string ChunkOf(string id, UploadChunk chunk) => $"{Folder}{id}/{chunk.Name}";

    /// <summary>A name that was never used: 64 random bits.</summary>
    public static string NewName() => RandomNumberGenerator.GetHexString(16, lowercase: true);

    /// <summary>The current record of a session; null when there is no session.</summary>
    public async ValueTask<HeldRecord?> ReadAsync(string id, CancellationToken cancellationToken)
    {
        var known = _known.GetValueOrDefault(id);
        var read = await bucket.ReadAsync(SessionOf(id), UploadRecord.MaxBytes, known?.ETag, cancellationToken);
        if (read.IsUnchanged) return known;
        if (read.ETag is { } etag && UploadRecord.Parse(read.Bytes.Span) is { } record) return Know(id, new(record, etag));
        _known.TryRemove(id, out _);
        return null;
    }

    /// <summary>When a session was last written, by the bucket's clock; null when there is no session.</summary>
    public async ValueTask<DateTimeOffset?> WrittenAsync(string id, CancellationToken cancellationToken) =>
        (await bucket.HeadAsync(SessionOf(id), cancellationToken))?.Written;

    /// <summary>Creates a session.</summary>
    public ValueTask<HeldRecord> CreateAsync(string id, UploadRecord record, CancellationToken cancellationToken) =>
        WriteAsync(id, record, PutCondition.Absent, cancellationToken);

    /// <summary>
    /// Replaces the record. Throws <see cref="UploadTakenOverException"/> when another process has written it, or ended the session.
    /// </summary>
    /// <param name="etag">Of the record that is replaced.</param>
    public ValueTask<HeldRecord> ReplaceAsync(string id, UploadRecord record, string etag, CancellationToken cancellationToken) =>
        WriteAsync(id, record, PutCondition.Match(etag), cancellationToken);

    // A conflict can be with the same write, whose first answer was lost: the nonce tells.
    private async ValueTask<HeldRecord> WriteAsync(
        string id, UploadRecord record, PutCondition condition, CancellationToken cancellationToken)
    {
        record = record with { Nonce = NewName() };
        var bytes = record.ToBytes();
        for (var tries = 1; ; tries++)
        {
            try
            {
                return Know(id, new(record, await bucket.PutAsync(SessionOf(id), bytes, condition, cancellationToken)));
            }
            catch (IOException e) when (e is PreconditionFailedException || tries < MaxTries)
            {
                if (await ReadAsync(id, cancellationToken) is { } now)
                {
                    if (now.Record.Nonce == record.Nonce) return now;
                    if (now.ETag == condition.ETag && tries < MaxTries) continue;
                }
                else if (condition.IsAbsent && tries < MaxTries) continue;
                throw new UploadTakenOverException(e);
            }
        }
    }

    private HeldRecord Know(string id, HeldRecord held)
    {
        if (_known.Count >= MaxKnown) _known.Clear();
        return _known[id] = held;
    }

    /// <summary>
    /// The local file of a session's latest bytes, for one caller at a time; new if there is none that ends at this length.
    /// </summary>
    public UploadSpool TakeSpool(string id, long length)
    {
        if (!_spools.TryGetValue(id, out var spool) || spool.Reached != length)
        {
            spool?.Delete();
            _spools[id] = spool = new(copies.NewFile(), length);
        }
        spool.Use();
        return spool;
    }

    /// <summary>Removes a spool that has bytes which do not belong to the upload.</summary>
    public void DropSpool(string id, UploadSpool spool)
    {
        _spools.TryRemove(new(id, spool));
        spool.Delete();
    }

    /// <summary>The local file of a session if it has all bytes; null if it does not.</summary>
    public UploadSpool? WholeSpool(string id, long length) =>
        _spools.TryGetValue(id, out var spool) && spool.Start == 0 && spool.Reached == length ? spool : null;

    /// <summary>Whether a file of this length may become a local copy.</summary>
    public bool CanKeep(long length) => copies.CanKeep(length);

    /// <summary>
    /// Removes a session, and then its chunks: a stop in between leaves chunks that belong to no session. False when there is none.
    /// </summary>
    /// <param name="keep">The digest of its bytes, which are in the bucket: what is on the local disk becomes a copy. Empty for
    /// none.</param>
    public async ValueTask<bool> RemoveAsync(string id, Oci.Digest keep, CancellationToken cancellationToken)
    {
        var held = await ReadAsync(id, cancellationToken);
        _known.TryRemove(id, out _);
        if (_spools.TryRemove(id, out var spool))
        {
            // More bytes may have come since they were placed: the record says which digest all of them have.
            var isWhole = !keep.IsEmpty && held?.Record.Digest == keep.ToString()
                && spool.Start == 0 && held.Record.Length == spool.Reached;
            spool.End(isWhole ? path => copies.Keep(keep, path, spool.Reached) : null);
        }
        if (held is null) return false;
        await bucket.DeleteAsync(SessionOf(id), cancellationToken);
        await DeleteAsync(id, held.Record.Chunks, cancellationToken);
        return true;
    }

    /// <summary>Removes chunks that no record names any more.</summary>
    public async ValueTask DeleteAsync(string id, IEnumerable<UploadChunk> chunks, CancellationToken cancellationToken) =>
        await Parallel.ForEachAsync(
            chunks, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (chunk, token) => await bucket.DeleteAsync(ChunkOf(id, chunk), token));

    /// <summary>The ids of all sessions, and of chunks without one. Local files of other sessions are removed.</summary>
    public async IAsyncEnumerable<string> ListAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string[] local = [.. _spools.Keys];
        var found = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var listed in bucket.ListAsync(Folder, null, cancellationToken))
        {
            if (listed.Key[Folder.Length..].Split('/', 2) is [var id, _] && found.Add(id)) yield return id;
        }
        foreach (var id in local.Where(id => !found.Contains(id)))
        {
            if (_spools.TryRemove(id, out var spool)) spool.End(null);
        }
    }

    /// <summary>Removes the chunks of a session that has ended, unless some are younger than this.</summary>
    public async ValueTask<bool> RemoveLeftoversAsync(string id, DateTimeOffset oldest, CancellationToken cancellationToken)
    {
        var keys = new List<string>();
        await foreach (var listed in bucket.ListAsync($"{Folder}{id}/", null, cancellationToken))
        {
            if (listed.Facts.Written >= oldest) return false;
            keys.Add(listed.Key);
        }
        // A session object that is no record is removed with them.
        foreach (var key in keys) await bucket.DeleteAsync(key, cancellationToken);
        return true;
    }
}

/// <summary>A record as it was read or written.</summary>
internal sealed record HeldRecord(UploadRecord Record, string ETag);
