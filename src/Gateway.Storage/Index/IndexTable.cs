namespace Gateway.Storage;

/// <summary>
/// One kind of record of the lookup index, in a store. Writes before the store is open are queued and applied when it opens, so that a
/// recovered record never hides a newer one. Failures are passed to <paramref name="failed"/> and never to the caller, who then gets
/// misses.
/// </summary>
internal sealed class IndexTable<TKey, TValue>(IndexSizes sizes, Action<Exception> failed)
    where TKey : unmanaged, IIndexKey, IEquatable<TKey>
    where TValue : unmanaged
{
    // Opening 1 million records takes 0.2 s (measured). Fewer records than this change in that time; 9 MiB at most.
    private const int MostWaiting = 65_536;

    private readonly Lock _gate = new();
    private volatile FasterStore<TKey, TValue>? _store;
    private Dictionary<TKey, TValue?>? _waiting = [];

    /// <summary>The approximate number of records; 0 while the store is not open.</summary>
    public long Count => _store?.Count ?? 0;

    /// <summary>The number of reads since the store was opened; 0 while it is not open.</summary>
    public long Reads => _store?.Reads ?? 0;

    public bool TryRead(in TKey key, out TValue value)
    {
        value = default;
        try
        {
            return _store is { } store && store.TryRead(in key, out value);
        }
        catch (Exception failure)
        {
            failed(failure);
            return false;
        }
    }

    public void Write(in TKey key, in TValue value) => Change(in key, value);

    public void Remove(in TKey key) => Change(in key, null);

    /// <summary>
    /// Opens the store and starts to use it. Throws when its files cannot be used, or when more records changed before than the queue holds
    /// and the store is not a new one.
    /// </summary>
    public void Open(string folder, bool isNew)
    {
        var store = FasterStore<TKey, TValue>.Open(folder, sizes);
        lock (_gate)
        {
            if (_waiting is not null || isNew)
            {
                foreach (var (key, value) in _waiting ?? []) Apply(store, in key, value);
                _waiting = null;
                _store = store;
                return;
            }
        }
        store.Dispose();
        throw new InvalidDataException($"more than {MostWaiting} records changed while the lookup index was opened");
    }

    /// <summary>Makes the changes since the last call durable.</summary>
    public Task CheckpointAsync(CancellationToken cancellationToken) => _store?.CheckpointAsync(cancellationToken) ?? Task.CompletedTask;

    /// <summary>Shrinks the store's log, if much of it is not in use.</summary>
    public Task CompactAsync() => _store?.CompactAsync() ?? Task.CompletedTask;

    /// <summary>Closes the store without a checkpoint: from now on every read is a miss.</summary>
    public void Close() => Interlocked.Exchange(ref _store, null)?.Dispose();

    private void Change(in TKey key, TValue? value)
    {
        try
        {
            if (_store is { } store) Apply(store, in key, value);
            else ChangeLater(in key, value);
        }
        catch (Exception failure)
        {
            failed(failure);
        }
    }

    private void ChangeLater(in TKey key, TValue? value)
    {
        lock (_gate)
        {
            if (_store is { } store) Apply(store, in key, value);
            else if (_waiting is { } waiting && (waiting.Count < MostWaiting || waiting.ContainsKey(key))) waiting[key] = value;
            else _waiting = null;
        }
    }

    private static void Apply(FasterStore<TKey, TValue> store, in TKey key, TValue? value)
    {
        if (value is { } written) store.Write(in key, in written);
        else store.Remove(in key);
    }
}
