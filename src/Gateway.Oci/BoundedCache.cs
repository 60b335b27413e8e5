using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Gateway.Oci;

/// <summary>
/// A map with a bounded number of entries. When it is full, adding removes an entry that was not read since it was last considered for
/// removal (second chance, an approximation of "least recently used"). A full cache therefore loses one entry at a time, and never all of
/// them at once. Safe for concurrent use; reads take no lock and allocate nothing.
/// </summary>
/// <typeparam name="TKey">The key.</typeparam>
/// <typeparam name="TValue">The value.</typeparam>
/// <param name="capacity">Most entries, at least 1.</param>
public sealed class BoundedCache<TKey, TValue>(int capacity)
    where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, Entry> _entries = new();

    // The entries in the order in which they are considered for removal. An entry that is not the dictionary's was replaced or removed.
    private readonly Queue<(TKey Key, Entry Entry)> _order = new();
    private readonly Lock _adding = new();

    private sealed class Entry(TValue value)
    {
        public TValue Value { get; } = value;

        // Written by readers without a lock: a lost write only removes an entry early.
        public bool IsUsed { get; set; }
    }

    /// <summary>The number of entries, at most the capacity.</summary>
    public int Count => _entries.Count;

    /// <summary>Finds a value, and marks it as used.</summary>
    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (!_entries.TryGetValue(key, out var entry))
        {
            value = default;
            return false;
        }
        if (!entry.IsUsed) entry.IsUsed = true;
        value = entry.Value;
        return true;
    }

    /// <summary>Adds a value, or replaces the one of the same key. Removes other entries when the cache is full.</summary>
    public void Set(TKey key, TValue value)
    {
        lock (_adding) Put(key, value);
    }

    /// <summary>The value of a key; if there is none, the given one is added and returned.</summary>
    public TValue GetOrAdd(TKey key, TValue value)
    {
        lock (_adding)
        {
            if (_entries.TryGetValue(key, out var known)) return known.Value;
            Put(key, value);
            return value;
        }
    }

    private void Put(TKey key, TValue value)
    {
        var entry = new Entry(value);
        if (!_entries.ContainsKey(key))
        {
            while (_entries.Count >= capacity) RemoveOne();
        }
        _entries[key] = entry;
        _order.Enqueue((key, entry));
        // Replaced entries stay in the queue. They are dropped here before they outnumber the others.
        while (_order.Count > 2 * capacity) RemoveOne();
    }

    private void RemoveOne()
    {
        while (_order.TryDequeue(out var oldest))
        {
            var (key, entry) = oldest;
            if (!_entries.TryGetValue(key, out var current) || !ReferenceEquals(current, entry)) return;
            if (entry.IsUsed)
            {
                entry.IsUsed = false;
                _order.Enqueue(oldest);
                continue;
            }
            _entries.TryRemove(key, out _);
            return;
        }
    }
}
