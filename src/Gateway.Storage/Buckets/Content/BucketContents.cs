using System.Collections.Concurrent;

namespace Gateway.Storage;

/// <summary>
/// Content in a bucket, under the keys of CNCF distribution's layout. Several gateways share it: the key of some bytes is their digest, so
/// no order and no fence is needed. A blob that is read is copied to the local disk meanwhile (<see cref="LocalCopies"/>), and is read from
/// there later. No call needs more memory for a larger blob.
/// </summary>
internal sealed partial class BucketContents : IContentStore
{
    /// <summary>
    /// Bytes of a part. 8 MiB: several times S3's least part, so that a PUT's round trip costs little; distribution's driver has a bug
    /// below that (issue 4122), so shorter content is no multipart upload.
    /// </summary>
    public const int PartBytes = 8 << 20;

    /// <summary>
    /// Parts in memory at a time, over all uploads: with <see cref="PartBytes"/> 64 MiB. Chosen: enough to fill a link of 10 Gbit/s.
    /// </summary>
    private const int MaxParts = 8;

    // Bytes that are read and passed on at a time, as in fetches.
    private const int BufferSize = 256 * 1024;

    /// <summary>
    /// For how long this process believes that an object is in the bucket. Chosen: the checks of one push ask once, and a removal by
    /// another program is noticed by the next push.
    /// </summary>
    private static readonly TimeSpan Believed = TimeSpan.FromMinutes(1);

    /// <summary>Bytes. Chosen: for shorter content a second request takes longer than the bytes.</summary>
    private const long RedirectedFrom = 4 << 20;

    /// <summary>
    /// For how long an address can be used to begin a download. Chosen: longer than clients wait for a free connection, and than clocks
    /// differ.
    /// </summary>
    private static readonly TimeSpan RedirectedFor = TimeSpan.FromMinutes(15);

    // Some 100 bytes each. Chosen: the blobs of a few hundred images.
    private const int MaxFacts = 16_384;

    // What a reader gets from the bucket: without a copy, with a copy that is kept, and from the copy of another reader.
    private static readonly CacheHandling Passed = new() { Forward = ForwardReason.Absent, Detail = CacheDetail.Bucket };
    private static readonly CacheHandling Copied = Passed with { Stored = true };
    private static readonly CacheHandling Joined = Passed with { Collapsed = true };

    private readonly IBucket _bucket;
    private readonly string _prefix;
    private readonly LocalCopies _copies;
    private readonly PartBuffers _buffers;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<Digest, (ObjectFacts Facts, long At)> _facts = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<Digest, int> _readers = [];
    private readonly HashSet<Digest> _removing = [];
    private readonly Dictionary<Digest, string> _damaged = [];
    private volatile int _removingCount;
    private long _forgottenAt;

    /// <summary>Opens the content of a bucket; asks it nothing yet.</summary>
    /// <param name="prefix">The prefix of all keys; empty, or it ends with a slash.</param>
    /// <param name="copies">The local copies; the caller ends them.</param>
    /// <param name="clock">Measures for how long a fact is believed.</param>
    /// <param name="partBytes">Bytes of a part of a multipart upload; shorter content is written by one PUT.</param>
    public BucketContents(IBucket bucket, string prefix, LocalCopies copies, TimeProvider clock, int partBytes = PartBytes)
    {
        (_bucket, _prefix, _copies, _clock) = (bucket, prefix, copies, clock);
        _buffers = new(MaxParts, Math.Max(partBytes, bucket.MinPart));
        _uploads = new(bucket, prefix, _buffers, copies);
    }

    /// <summary>Whether clients are sent to the bucket for large content.</summary>
    public bool Redirects { get; init; }

    /// <summary>The key of some content.</summary>
    public string Data(Digest digest) => KeyOf(_prefix, digest);

    /// <summary>The key of some content in a bucket.</summary>
    /// <param name="prefix">See <see cref="SharedStore.Prefix"/>.</param>
    public static string KeyOf(string prefix, Digest digest) =>
        $"{prefix}docker/registry/v2/blobs/{digest.AlgorithmName}/{digest.Hex[..2]}/{digest.Hex}/data";

    public async ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken) =>
        await FactsAsync(digest, cancellationToken) is { } found && Fits(digest, found, size) ? found.Length : null;

    public ValueTask<Opened> OpenAsync(Digest digest, Digest requested, long size, CancellationToken cancellationToken)
    {
        if (IsRemoving(digest)) return default;
        var local = _copies.OpenAsync(digest, requested, size, cancellationToken);
        return local.IsCompletedSuccessfully && local.Result.Content is not null
            ? local
            : OpenFarAsync(digest, requested, size, cancellationToken);
    }

    private async ValueTask<Opened> OpenFarAsync(Digest digest, Digest requested, long size, CancellationToken cancellationToken)
    {
        if (await FactsAsync(digest, cancellationToken) is not { } found) return default;
        if (!Fits(digest, found, size)) return new(null, IsUnfit: true);
        lock (_lock) _readers[digest] = _readers.GetValueOrDefault(digest) + 1;
        return new(new BucketContent(this, digest, requested, found.Length), IsUnfit: false)
        {
            Handling = _copies.IsUnderWay(digest) ? Joined : _copies.CanKeep(found.Length) ? Copied : Passed,
        };
    }

    /// <summary>
    /// An address of large content, for a client without credentials; null for content that the gateway sends itself, as what it does not
    /// find, and what its disk may have while the bucket does not answer.
    /// </summary>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    public async ValueTask<Uri?> RedirectAsync(Digest digest, long size, CancellationToken cancellationToken)
    {
        try
        {
            return await FindAsync(digest, size, cancellationToken) >= RedirectedFrom
                ? await _bucket.SignAsync(Data(digest), RedirectedFor, "application/octet-stream", cancellationToken)
                : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>What the bucket has under a digest; null when nothing. Absence is never believed without asking.</summary>
    private async ValueTask<ObjectFacts?> FactsAsync(Digest digest, CancellationToken cancellationToken)
    {
        // An object that waits for its last reader is not stored any more.
        if (IsRemoving(digest)) return null;
        if (_facts.TryGetValue(digest, out var known) && IsKnown(known.At) && _clock.GetElapsedTime(known.At) < Believed)
            return known.Facts;
        var asked = _clock.GetTimestamp();
        if (await _bucket.HeadAsync(Data(digest), cancellationToken) is not { } found)
        {
            _facts.TryRemove(digest, out _);
            return null;
        }
        Note(digest, found, asked);
        return IsRemoving(digest) ? null : found;
    }

    /// <summary>
    /// Forgets what is in the bucket, because a collection may have removed some. What a request finds that has begun before is not
    /// believed either.
    /// </summary>
    public void Forget() => Interlocked.Exchange(ref _forgottenAt, _clock.GetTimestamp());

    private bool IsKnown(long since) => since > Interlocked.Read(ref _forgottenAt);

    private void Note(Digest digest, ObjectFacts facts, long asked)
    {
        if (_facts.Count >= MaxFacts) _facts.Clear();
        _facts[digest] = (facts, asked);
    }

    private bool IsRemoving(Digest digest)
    {
        // Every warm read asks this, and removals are rare.
        if (_removingCount == 0) return false;
        lock (_lock) return _removing.Contains(digest);
    }

    private bool Fits(Digest digest, ObjectFacts found, long size)
    {
        lock (_lock) return (size < 0 || found.Length == size) && _damaged.GetValueOrDefault(digest) != found.ETag;
    }

    public async ValueTask<byte[]?> ReadAsync(Digest digest, int most, CancellationToken cancellationToken)
    {
        if (IsRemoving(digest)) return null;
        if (await _copies.ReadAsync(digest, most, cancellationToken) is { } local) return local;
        SmallObject found;
        try
        {
            found = await _bucket.ReadAsync(Data(digest), most, null, cancellationToken);
        }
        catch (InvalidDataException)
        {
            return null;
        }
        if (found.ETag is null) return null;
        lock (_lock)
        {
            if (_removing.Contains(digest) || _damaged.GetValueOrDefault(digest) == found.ETag) return null;
        }
        var bytes = found.Bytes.ToArray();
        _copies.Keep(digest, bytes);
        return bytes;
    }

    public async ValueTask<Examined> ExamineAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (IsRemoving(digest) || await _bucket.OpenAsync(Data(digest), 0, null, cancellationToken) is not { } body) return default;
        await using (body)
        {
            using var hash = new ContentHash(digest.Algorithm);
            var buffer = new byte[BufferSize];
            long length = 0;
            for (int read; (read = await body.Bytes.ReadAsync(buffer, cancellationToken)) > 0; length += read)
                hash.AppendData(buffer, 0, read);
            if (length < body.Facts.Length)
                throw new EndOfStreamException($"expected {body.Facts.Length} bytes of {digest} from the bucket, got {length}");
            if (Digest.FromHash(digest.Algorithm, hash.GetHashAndReset()) == digest) return new(length, IsDamaged: false);
            IsWrong(digest, body.Facts.ETag);
            return new(null, IsDamaged: true);
        }
    }

    /// <summary>Records that an object does not have its digest: it is not served until it is replaced.</summary>
    private void IsWrong(Digest digest, string etag)
    {
        lock (_lock) _damaged[digest] = etag;
        _facts.TryRemove(digest, out _);
    }

    // Always durable, and the same key always has the same content.
    public async ValueTask PutAsync(Digest digest, ReadOnlyMemory<byte> bytes, Put kind, CancellationToken cancellationToken)
    {
        // The bytes were put before the change that names them, which is applied now: by this process, or by another one before a stop.
        if (kind != Put.Durable && await FindAsync(digest, bytes.Length, cancellationToken) is not null) return;
        var asked = _clock.GetTimestamp();
        var etag = await _bucket.PutAsync(Data(digest), bytes, PutCondition.None, cancellationToken);
        Stored(digest, new(etag, bytes.Length, _clock.GetUtcNow()), asked);
    }

    public async ValueTask BorrowAsync(Digest digest, long size, IContentStore from, CancellationToken cancellationToken)
    {
        if (await FindAsync(digest, size, cancellationToken) is not null) return;
        await using var content = (await from.OpenAsync(digest, digest, size, cancellationToken)).Content
            ?? throw new FileNotFoundException($"expected the bytes of {digest} in another store, got none");
        await using var writer = new ObjectWriter(_bucket, Data(digest), _buffers);
        using var checking = new CheckingWriter(writer, digest.Algorithm);
        await content.CopyToAsync(checking, 0, null, cancellationToken);
        if (checking.Found is var found && found != digest)
            throw new IOException($"expected the bytes of {digest} in another store, got {found}; nothing was written to the bucket");
        await writer.CompleteAsync(cancellationToken);
        Stored(digest, null, 0);
    }

    /// <summary>Forgets what was known of earlier bytes under this digest.</summary>
    /// <param name="facts">The new facts; null when the next reader shall ask.</param>
    private void Stored(Digest digest, ObjectFacts? facts, long asked)
    {
        lock (_lock)
        {
            _removing.Remove(digest);
            _removingCount = _removing.Count;
            _damaged.Remove(digest);
        }
        if (facts is { } known) Note(digest, known, asked);
        else _facts.TryRemove(digest, out _);
    }

    // S3 removes an object under its readers. Those of this process are waited for; the collector waits for those of others.
    public async ValueTask<bool> RemoveAsync(Digest digest, bool evenIfRead, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var isRead = _readers.ContainsKey(digest);
            if (isRead && !evenIfRead) return false;
            if (isRead) _removing.Add(digest);
            _removingCount = _removing.Count;
        }
        if (!_copies.Remove(digest, evenIfRead)) return false;
        _facts.TryRemove(digest, out _);
        if (!IsRemoving(digest)) await _bucket.DeleteAsync(Data(digest), cancellationToken);
        return true;
    }

    private async ValueTask LeaveAsync(Digest digest)
    {
        lock (_lock)
        {
            if (--_readers[digest] > 0) return;
            _readers.Remove(digest);
            if (!_removing.Remove(digest)) return;
            _removingCount = _removing.Count;
        }
        _facts.TryRemove(digest, out _);
        await _bucket.DeleteAsync(Data(digest), CancellationToken.None);
    }
}
