using System.Diagnostics.Metrics;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Keeps what is cached below its size, content by content, in the order of <see cref="GreedyDual{TKey}"/>: never what is being read, never
/// what a client pushed (a cached file that is linked into the kept root has two names, and is not in the order). Counted is what the disk
/// counts, with the small files that cached repositories keep because of a content; they go with it. What was removed is a miss for
/// everybody.
/// </summary>
public sealed partial class Eviction : IAsyncDisposable
{
    // A crash loses at most this much of who was used how often, as of the index itself.
    private static readonly TimeSpan NoteEvery = TimeSpan.FromMinutes(1);

    private readonly Volume _volume;
    private readonly LinkIndex _index;
    private readonly ILogger _logger;
    private readonly Meter _meter = new("Gateway.Storage.Eviction");
    private readonly Counter<long> _evicted;
    private readonly Counter<long> _evictedBytes;
    private readonly ITimer _notes;
    private readonly Task _counted;
    private readonly CancellationTokenSource _stop = new();

    // Held for a removal or two; the other for some memory accesses. In this order.
    private readonly Lock _evicting = new();
    private readonly Lock _lock = new();
    private readonly GreedyDual<DigestKey> _order = new();
    private readonly HashSet<DigestKey> _used = [];
    private readonly CacheLedger _ledger = new();
    private readonly CacheNotes _removals;
    private bool _isCounted;
    private long _arriving;

    internal Eviction(Volume volume, LinkIndex index, TimeProvider clock, ILogger logger)
    {
        (_volume, _index, _logger) = (volume, index, logger);
        _evicted = _meter.CreateCounter<long>("gateway.cache.evictions", description: "Blobs and manifests that made room.");
        _evictedBytes = _meter.CreateCounter<long>("gateway.cache.evicted.bytes", "By", "Their bytes.");
        _meter.CreateObservableGauge(
            "gateway.cache.size", () => Bytes, "By", "Room that cached content takes, without what clients pushed too.");
        _meter.CreateObservableGauge("gateway.cache.entries", () => (long)Count, description: "Cached blobs and manifests.");
        _removals = new(volume);
        _notes = clock.CreateTimer(_ => WriteNotes(), null, NoteEvery, NoteEvery);
        _counted = Task.Run(CountAsync);
    }

    /// <summary>Bytes of cached content allowed; what clients pushed does not count, where both names are of one file.</summary>
    public long MaxBytes { get; set; } = long.MaxValue;

    /// <summary>Bytes that cached content takes on the disk; fewer than it does until <see cref="Counted"/>.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock) return _order.Bytes + _ledger.OfRepositories;
        }
    }

    /// <summary>Whether small files of what was evicted still wait to be removed.</summary>
    public bool IsRemoving => _removals.IsBusy;

    /// <summary>Cached blobs and manifests.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _ledger.Contents;
        }
    }

    /// <summary>Ends when what an earlier start left has been counted.</summary>
    public Task Counted => _counted;

    /// <summary>Notes that some content was asked for.</summary>
    public void Used(Digest digest)
    {
        var key = new DigestKey(digest);
        lock (_lock)
        {
            if (_order.Use(key)) _used.Add(key);
        }
    }

    /// <summary>
    /// Makes room, lets <paramref name="move"/> put content in its place, and counts it. Throws <see cref="IOException"/> when everything
    /// that could make room is being read. Waits for what was there before this start to be counted, so it may take seconds.
    /// </summary>
    public void Publish(Digest digest, long size, Action move)
    {
        _counted.Wait();
        var cost = DiskCost.OfContent(size);
        if (!TryReserve(cost)) throw new IOException($"no room could be made for {digest}: {size} bytes, of at most {MaxBytes}");
        var isMoved = false;
        try
        {
            move();
            isMoved = true;
        }
        finally
        {
            // In one step: counted twice, for however short a time, it would leave others less room than there is.
            lock (_lock)
            {
                _arriving -= cost;
                if (isMoved) Add(digest, size);
            }
        }
    }

    /// <summary>Makes room for so many bytes more, as far as that is possible.</summary>
    public void MakeRoom(long size)
    {
        if (!TryReserve(size)) return;
        lock (_lock) _arriving -= size;
    }

    /// <summary>
    /// Makes room for small files of a repository, and keeps it for them until <see cref="Release"/>. Answers how much is kept: none where
    /// no room could be made, and then they are written all the same.
    /// </summary>
    public long Reserve(long size, string repository)
    {
        lock (_lock) size += _ledger.Has(repository) ? 0 : DiskCost.Repository;
        return TryReserve(size) ? size : 0;
    }

    /// <summary>Waits until what was evicted is removed but for a little: small files must not come faster than they go.</summary>
    public ValueTask CatchUpAsync(CancellationToken cancellationToken) => _removals.CatchUpAsync(cancellationToken);

    /// <summary>Gives back what was kept: what has come is counted by now.</summary>
    public void Release(long size)
    {
        lock (_lock) _arriving -= size;
    }

    /// <summary>
    /// Removes cached content of at least so many bytes, whatever the limit; false when there is not as much, and then nothing is removed,
    /// or when some of it is being read.
    /// </summary>
    public bool TryFree(long bytes)
    {
        lock (_evicting)
        {
            if (Bytes < bytes) return false;
            var freed = EvictWhile((freed, _) => freed < bytes);
            _volume.MeasureRoom();
            return freed >= bytes;
        }
    }

    /// <summary>
    /// Removes some content at an operator's wish, also while it is read: its readers keep it. Returns its bytes; 0 when it was not here.
    /// </summary>
    public long Purge(Digest digest)
    {
        lock (_evicting)
        {
            var size = Disk.LengthOf(_volume.CachedRoot.Data(digest)) ?? 0;
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

        // What is passed over is out of the order for the time, and still there.
        bool Fits(long passedOver)
        {
            lock (_lock) return Bytes + passedOver + _arriving <= MaxBytes - size;
        }
    }

    /// <summary>Evicts in turn; what is being read is passed over, and keeps its place. Returns the bytes that went.</summary>
    /// <param name="more">Whether more must go, by the bytes that went and those passed over so far.</param>
    private long EvictWhile(Func<long, long, bool> more)
    {
        if (_volume.WhyNoWrites is not null) return 0;
        var passedOver = new List<(DigestKey Key, long Size, Worth Worth)>();
        var (freed, stayed) = (0L, 0L);
        while (more(freed, stayed))
        {
            (DigestKey Key, long Size, Worth Worth) next;
            lock (_lock)
            {
                if (!_order.TryTake(out next.Key, out next.Size, out next.Worth)) break;
            }
            // Of what is purged or forgotten by now nothing is left to remove.
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
                // As it is by now: notes may have come and gone.
                if (_ledger.BytesOf(key) is { } bytes) _order.Return(key, bytes, worth);
            }
        }
        return freed;
    }

    // Out of the way in one step, so that nobody finds half a folder; what takes long comes after it.
    private bool TryRemove(Digest digest, bool evenIfRead)
    {
        var folder = Path.GetDirectoryName(_volume.CachedRoot.Data(digest))!;
        var gone = _volume.Files.Temporary();
        try
        {
            if (!_volume.OpenFiles.TryRemove(Lifetime.Cached, digest, evenIfRead, () => Directory.Move(folder, gone))) return false;
            _volume.Manifests.Remove(digest);
            Directory.Delete(gone, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody else removed it.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.EvictionFailed(_logger, e);
            return false;
        }
        return true;
    }

    // Uses are written behind the requests, each content once for however many there were.
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

    /// <summary>Removes the small files of what was evicted so far; the next start counts those of what is evicted from then on.</summary>
    public ValueTask EndRemovalsAsync() => _removals.DisposeAsync();

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
