namespace Gateway.Storage;

/// <summary>The room for cached content: the size limit of the cached root, and the free bytes that the volume keeps.</summary>
public sealed class CacheRoom
{
    private readonly VolumeHealth _health;
    private readonly Eviction _eviction;

    internal CacheRoom(VolumeHealth health, Eviction eviction) => (_health, _eviction) = (health, eviction);

    /// <summary>Bounds the cached root: its size limit, and the free bytes below which nothing is cached. May be called again.</summary>
    public void Limit(long maxCached, long keepFree)
    {
        (_eviction.MaxBytes, _health.KeepFree) = (maxCached, keepFree);
        _ = Task.Run(() => _eviction.MakeRoom(0));
    }

    /// <summary>
    /// Whether the volume has room for this many more bytes of fetched content, after cached content was evicted if needed. Evicts nothing
    /// when that would not free enough.
    /// </summary>
    public bool TryMake(long size)
    {
        if (_health.FreeBytes - size >= _health.KeepFree) return true;
        var lacking = long.CreateSaturating((Int128)_health.KeepFree - _health.FreeBytes + size);
        return _eviction.TryFree(lacking) && _health.FreeBytes - size >= _health.KeepFree;
    }

    /// <summary>
    /// Makes room for the files of a change of a cached repository, as far as possible, and waits until enough evicted content is removed.
    /// Pass the result to <see cref="Release"/>.
    /// </summary>
    internal async ValueTask<long> KeepAsync(Change change, string repository, CancellationToken cancellationToken)
    {
        var bytes = change.Operations.Sum(OperationCost.Of);
        if (bytes == 0) return 0;
        TryMake(bytes);
        var kept = _eviction.Reserve(bytes, repository);
        try
        {
            if (kept > 0) await _eviction.CatchUpAsync(cancellationToken);
            return kept;
        }
        catch
        {
            Release(kept);
            throw;
        }
    }

    /// <summary>Releases the room of a change: the files that were stored are counted now.</summary>
    internal void Release(long kept)
    {
        if (kept > 0) _eviction.Release(kept);
    }
}
