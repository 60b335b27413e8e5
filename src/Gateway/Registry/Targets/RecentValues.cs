namespace Gateway.Registry;

/// <summary>
/// Values made lately of keys that clients send again and again. Each key has one slot, and gives way only to another key of that slot: the
/// memory is bounded, nothing is locked, and no flood of new keys empties the rest.
/// </summary>
/// <param name="slots">A power of two.</param>
internal sealed class RecentValues<TKey, TValue>(int slots)
    where TKey : notnull
    where TValue : class
{
    private readonly Entry?[] _entries = new Entry?[slots];

    /// <summary>The value of a key; null where it was not made lately.</summary>
    public TValue? Find(TKey key) =>
        Volatile.Read(ref SlotOf(key)) is { } entry && EqualityComparer<TKey>.Default.Equals(entry.Key, key) ? entry.Value : null;

    /// <summary>Remembers a value that will always be that of this key.</summary>
    public void Set(TKey key, TValue value) => Volatile.Write(ref SlotOf(key), new(key, value));

    // Strings hash with a secret of the process, so that no client can choose the slot of its key.
    private ref Entry? SlotOf(TKey key) => ref _entries[key.GetHashCode() & (_entries.Length - 1)];

    private sealed record Entry(TKey Key, TValue Value);
}
