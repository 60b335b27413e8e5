using System.Diagnostics.Metrics;

namespace Gateway.Storage;

/// <summary>
/// Keeps the cached root below its size limit. It evicts content in the order of <see cref="GreedyDual{TKey}"/>, but never content that a
/// client reads, and never pushed content: a cached file that is linked into the pushed root has two names, and is not in the order. It
/// counts disk space, including the small files that cached repositories have because of some content; they are removed with it. Evicted
/// content is a cache miss for every client.
/// </summary>
public sealed partial class Eviction : IAsyncDisposable
{
    // A crash loses at most this much of the counted uses, as in the lookup index itself.
    private static readonly TimeSpan NoteEvery = TimeSpan.FromMinutes(1);

    private readonly LinkIndex _index;
    private readonly Root _root;
    private readonly ContentFiles _cached;
    private readonly VolumeHealth _health;
    private readonly ILogger _logger;
    private readonly Meter _meter = new("Gateway.Storage.Eviction");
    private readonly Counter<long> _evicted;
    private readonly Counter<long> _evictedBytes;
    private readonly ITimer _notes;
    private readonly Task _counted;
    private readonly CancellationTokenSource _stop = new();

    // Lock order: this one first, which is held for a removal or two; then the other, which is held for some memory accesses.
    private readonly Lock _evicting = new();
    private readonly Lock _lock = new();
    private readonly GreedyDual<DigestKey> _order = new();
    private readonly HashSet<DigestKey> _used = [];
    private readonly CacheLedger _ledger = new();
    private readonly EvictedNotes _evictedNotes = new();
    private bool _isCounted;
    private long _arriving;

    internal Eviction(LinkIndex index, Root root, ContentFiles cached, VolumeHealth health, TimeProvider clock, ILogger logger)
    {
        (_index, _root, _cached, _health, _logger) = (index, root, cached, health, logger);
        _evicted = _meter.CreateCounter<long>("gateway.cache.evictions", description: "Cached blobs and manifests removed to make room.");
        _evictedBytes = _meter.CreateCounter<long>("gateway.cache.evicted.bytes", "By", "Bytes of the evicted blobs and manifests.");
        _meter.CreateObservableGauge(
            "gateway.cache.size", () => Bytes, "By", "Disk space of cached content, without content that clients pushed too.");
        _meter.CreateObservableGauge("gateway.cache.entries", () => (long)Count, description: "Cached blobs and manifests.");
        _notes = clock.CreateTimer(_ => WriteNotes(), null, NoteEvery, NoteEvery);
        _counted = Task.Run(CountAsync);
    }

    /// <summary>
    /// The largest number of bytes of cached content. Content that clients pushed too does not count, if both names are of one file.
    /// </summary>
    public long MaxBytes { get; set; } = long.MaxValue;

    /// <summary>Bytes of disk space that cached content takes; too low until <see cref="Counted"/> ends.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock) return _order.Bytes + _ledger.OfRepositories;
        }
    }

    /// <summary>Whether small files of evicted content still wait for removal.</summary>
    public bool IsRemoving => _evictedNotes.IsBusy;

    /// <summary>The small files of evicted content that must be removed.</summary>
    internal EvictedNotes EvictedNotes => _evictedNotes;

    /// <summary>The number of cached blobs and manifests.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _ledger.Contents;
        }
    }

    /// <summary>Ends when the content that earlier processes stored is counted.</summary>
    public Task Counted => _counted;

    /// <summary>Notes a use of some content.</summary>
    public void Used(Digest digest)
    {
        var key = new DigestKey(digest);
        lock (_lock)
        {
            if (_order.Use(key)) _used.Add(key);
        }
    }

    /// <summary>
    /// Makes room, lets <paramref name="move"/> put content in its place, and counts it. Throws <see cref="IOException"/> when all content
    /// that could be evicted is being read. Waits until the content of earlier processes is counted, which may take seconds.
    /// </summary>
    public void Publish(Digest digest, long size, Action move)
    {
        _counted.Wait();
        var cost = DiskCost.OfContent(size);
        if (!TryReserve(cost))
            throw new IOException($"cannot make room in the cache (limit {MaxBytes} bytes) for {digest} of {size} bytes");
        var isMoved = false;
        try
        {
            move();
            isMoved = true;
        }
        finally
        {
            // In one step: counting the content twice, even for a short time, would leave too little room for other content.
            lock (_lock)
            {
                _arriving -= cost;
                if (isMoved) Add(digest, size);
            }
        }
    }

    /// <summary>Makes room for this many more bytes, as far as possible.</summary>
    public void MakeRoom(long size)
    {
        if (!TryReserve(size)) return;
        lock (_lock) _arriving -= size;
    }

    /// <summary>
    /// Makes room for small files of a repository, and reserves it until <see cref="Release"/>. Returns the number of bytes reserved: 0
    /// when no room could be made; the files are then written anyway.
    /// </summary>
    public long Reserve(long size, string repository)
    {
        lock (_lock) size += _ledger.Has(repository) ? 0 : DiskCost.Repository;
        return TryReserve(size) ? size : 0;
    }

    /// <summary>Waits until most of the evicted content is removed: small files must not be added faster than they are removed.</summary>
    public ValueTask CatchUpAsync(CancellationToken cancellationToken) => _evictedNotes.CatchUpAsync(cancellationToken);

    /// <summary>Releases reserved room: the files that were stored are counted now.</summary>
    public void Release(long size)
    {
        lock (_lock) _arriving -= size;
    }

    /// <summary>
    /// Evicts cached content of at least this many bytes, whatever the limit. False when there is less evictable content, and then nothing
    /// is evicted, or when some of it is being read.
    /// </summary>
    public bool TryFree(long bytes)
    {
        lock (_evicting)
        {
            if (Bytes < bytes) return false;
            var freed = EvictWhile((freed, _) => freed < bytes);
            _health.MeasureRoom();
            return freed >= bytes;
        }
    }

    /// <summary>
    /// Purges content for the operator, even while it is read; its readers are unaffected. Returns its bytes; 0 when it was not cached.
    /// </summary>
    public long Purge(Digest digest)
    {
        lock (_evicting)
        {
            var size = Disk.LengthOf(_root.Data(digest)) ?? 0;
            TryRemove(digest, evenIfRead: true);
            Drop(new(digest));
            return size;
        }
    }

    private bool TryReserve(long size)
    {
        lock (_evicting)
        {
            EvictWhile((_, passedOver) => !Fits(passedOver));
            lock (_lock)
            {
                if (!Fits(0)) return false;
                _arriving += size;
                return true;
            }
        }

        // Content that was passed over is temporarily not in the order, but still stored.
        bool Fits(long passedOver)
        {
            lock (_lock) return Bytes + passedOver + _arriving <= MaxBytes - size;
        }
    }

    /// <summary>
    /// Evicts in order. Content that is being read is passed over, and keeps its place. Returns the number of bytes removed.
    /// </summary>
    /// <param name="more">Whether to evict more, given the bytes removed and the bytes passed over so far.</param>
    private long EvictWhile(Func<long, long, bool> more)
    {
        if (_health.WhyNoWrites is not null) return 0;
        var passedOver = new List<(DigestKey Key, long Size, Worth Worth)>();
        var (freed, stayed) = (0L, 0L);
        while (more(freed, stayed))
        {
            (DigestKey Key, long Size, Worth Worth) next;
            lock (_lock)
            {
                if (!_order.TryTake(out next.Key, out next.Size, out next.Worth)) break;
            }
            // Content that was purged or forgotten in the meantime has no notes to remove.
            if (HasBytes(next.Key) && !TryRemove(next.Key.ToDigest(), evenIfRead: false))
            {
                passedOver.Add(next);
                stayed += next.Size;
                continue;
            }
            Drop(next.Key);
            freed += next.Size;
            _evicted.Add(1);
            _evictedBytes.Add(next.Size);
        }
        lock (_lock)
        {
            foreach (var (key, _, worth) in passedOver)
            {
                // The current notes: some may have been added or removed.
                if (_ledger.BytesOf(key) is { } bytes) _order.Return(key, bytes, worth);
            }
        }
        return freed;
    }

    private bool TryRemove(Digest digest, bool evenIfRead)
    {
        try
        {
            return _cached.Remove(digest, evenIfRead);
        }
        catch (DirectoryNotFoundException)
        {
            // Another thread removed it.
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.EvictionFailed(_logger, e);
            return false;
        }
    }

    // Uses are written in the background, once for each content, however many there were.
    private void WriteNotes()
    {
        List<(DigestKey Key, Worth Worth)> notes = [];
        lock (_lock)
        {
            foreach (var key in _used)
            {
                if (_order.Find(key) is { } worth) notes.Add((key, worth));
            }
            _used.Clear();
        }
        foreach (var (key, worth) in notes) _index.Write(key, new ContentRecord { Uses = worth.Uses, Priority = worth.Priority });
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _notes.DisposeAsync();
        await _stop.CancelAsync();
        await _counted;
        WriteNotes();
        _meter.Dispose();
        _stop.Dispose();
    }
}
