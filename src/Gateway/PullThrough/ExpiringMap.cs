using System.Diagnostics.CodeAnalysis;

namespace Gateway.PullThrough;

/// <summary>
/// What is remembered for a while: at most <paramref name="capacity"/> entries, the one that ends first is dropped for a new one.
/// </summary>
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

    /// <summary>Of all entries, also of those that have ended and were not looked for since.</summary>
    public IReadOnlyList<TKey> Keys
    {
        get
        {
            lock (_gate) return [.. _entries.Keys];
        }
    }

    /// <summary>Remembers a value; with a lifetime of zero or less it forgets the key.</summary>
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

    // A walk over all, but only when full: an eighth is dropped, so that the walk is paid by many entries.
    private void MakeRoom()
    {
        foreach (var (key, _) in _entries.OrderBy(e => e.Value.Until).Take(Math.Max(1, capacity / 8)).ToList()) _entries.Remove(key);
    }
}
