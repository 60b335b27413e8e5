using System.Diagnostics.CodeAnalysis;

namespace Gateway.PullThrough;

/// <summary>
/// Entries that expire. The map holds at most <paramref name="capacity"/> entries; a full map evicts those that expire first.
/// </summary>
/// <remarks>
/// Each entry has its own lifetime by the gateway's clock, and callers read when it ends. BitFaster's expiring caches measure time with a
/// clock of their own (<c>Duration.SinceEpoch</c>), so tests could not move it, and they do not return when an entry ends.
/// </remarks>
internal sealed class ExpiringMap<TKey, TValue>(int capacity, TimeProvider clock)
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, (TValue Value, DateTimeOffset Until)> _entries = [];

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value, out DateTimeOffset until)
    {
        lock (_gate)
        {
            var found = _entries.TryGetValue(key, out var entry) && entry.Until > clock.GetUtcNow();
            (value, until) = found ? entry : default;
            return found;
        }
    }

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value) => TryGet(key, out value, out _);

    /// <summary>The keys of all entries, also of those that have expired and are still in the map.</summary>
    public IReadOnlyList<TKey> Keys
    {
        get
        {
            lock (_gate) return [.. _entries.Keys];
        }
    }

    /// <summary>Adds an entry. A lifetime of zero or less removes the key.</summary>
    public void Set(TKey key, TValue value, TimeSpan lifetime)
    {
        lock (_gate)
        {
            _entries.Remove(key);
            if (lifetime <= TimeSpan.Zero) return;
            if (_entries.Count >= capacity) MakeRoom();
            _entries[key] = (value, clock.GetUtcNow() + lifetime);
        }
    }

    public void Remove(TKey key)
    {
        lock (_gate) _entries.Remove(key);
    }

    public void Clear()
    {
        lock (_gate) _entries.Clear();
    }

    // Walks over all entries, but only when the map is full. It evicts an eighth of them, so that many additions share the cost of one
    // walk.
    private void MakeRoom()
    {
        foreach (var (key, _) in _entries.OrderBy(e => e.Value.Until).Take(Math.Max(1, capacity / 8)).ToList()) _entries.Remove(key);
    }
}
