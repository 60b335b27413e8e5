using System.Diagnostics.CodeAnalysis;

namespace Gateway.Oci;

/// <summary>
/// At most <paramref name="capacity"/> entries. A new entry replaces the one that was least recently used, so that a full cache forgets one
/// entry at a time. Safe for any number of threads; each call takes constant time.
/// </summary>
public sealed class RecentlyUsed<TKey, TValue>(int capacity)
    where TKey : notnull
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, LinkedListNode<(TKey Key, TValue Value)>> _nodes = [];

    // The least recently used entry is the first.
    private readonly LinkedList<(TKey Key, TValue Value)> _order = new();

    /// <summary>Entries that it has.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _nodes.Count;
        }
    }

    /// <summary>The value of a key, which counts as a use.</summary>
    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        lock (_lock)
        {
            var isKnown = _nodes.TryGetValue(key, out var node);
            value = isKnown ? node!.Value.Value : default;
            if (isKnown && node!.Next is not null) Use(node);
            return isKnown;
        }
    }

    /// <summary>Sets the value of a key, which counts as a use.</summary>
    public void Set(TKey key, TValue value)
    {
        lock (_lock)
        {
            if (_nodes.TryGetValue(key, out var node))
            {
                node.Value = (key, value);
                Use(node);
                return;
            }
            if (_nodes.Count >= capacity && _order.First is { } oldest)
            {
                _order.Remove(oldest);
                _nodes.Remove(oldest.Value.Key);
            }
            _nodes[key] = _order.AddLast((key, value));
        }
    }

    /// <summary>Forgets a key; nothing happens when it is unknown.</summary>
    public void Remove(TKey key)
    {
        lock (_lock)
        {
            if (_nodes.Remove(key, out var node)) _order.Remove(node);
        }
    }

    private void Use(LinkedListNode<(TKey Key, TValue Value)> node)
    {
        _order.Remove(node);
        _order.AddLast(node);
    }
}
