using Gateway.Storage;

namespace Gateway.Bench;

/// <summary>A cache with a size in bytes that decides itself what it stores.</summary>
internal interface ICache
{
    /// <summary>Requests an object; true on a hit. On a miss it is fetched, and stored if the policy decides so.</summary>
    bool Ask(Request request);
}

/// <summary>Least recently used, or first in first out.</summary>
internal sealed class ListCache(long capacity, bool isLru) : ICache
{
    private readonly Dictionary<int, LinkedListNode<Request>> _nodes = [];
    private readonly LinkedList<Request> _list = new();
    private long _bytes;

    public bool Ask(Request request)
    {
        if (_nodes.TryGetValue(request.Object, out var node))
        {
            if (!isLru) return true;
            _list.Remove(node);
            _list.AddFirst(node);
            return true;
        }
        if (request.Size > capacity) return false;
        while (_bytes + request.Size > capacity)
        {
            _bytes -= _list.Last!.Value.Size;
            _nodes.Remove(_list.Last.Value.Object);
            _list.RemoveLast();
        }
        _nodes[request.Object] = _list.AddFirst(request);
        _bytes += request.Size;
        return false;
    }
}

/// <summary>The gateway's own eviction order: the same code.</summary>
internal sealed class GatewayCache(long capacity) : ICache
{
    private readonly GreedyDual<int> _order = new();

    public bool Ask(Request request)
    {
        if (_order.Use(request.Object)) return true;
        if (request.Size > capacity) return false;
        while (_order.Bytes + request.Size > capacity) _order.TryTake(out _, out _, out _);
        _order.Add(request.Object, request.Size);
        return false;
    }
}

/// <summary>GreedyDual-Size-Frequency as published, with a cost of one (hits) or of the size (bytes: LFU with dynamic aging).</summary>
internal sealed class PlainGreedyDual(long capacity, bool byBytes) : ICache
{
    private readonly Dictionary<int, (long Size, int Uses, double Priority)> _entries = [];
    private readonly PriorityQueue<int, double> _queue = new();
    private double _level;
    private long _bytes;

    public bool Ask(Request request)
    {
        var isThere = _entries.TryGetValue(request.Object, out var entry);
        if (!isThere && request.Size > capacity) return false;
        while (!isThere && _bytes + request.Size > capacity) Evict();
        var uses = entry.Uses + 1;
        var priority = _level + (byBytes ? uses : uses / (double)request.Size);
        _entries[request.Object] = (request.Size, uses, priority);
        if (!isThere) _queue.Enqueue(request.Object, priority);
        if (!isThere) _bytes += request.Size;
        return isThere;
    }

    private void Evict()
    {
        while (_queue.TryDequeue(out var victim, out var priority))
        {
            var now = _entries[victim];
            if (now.Priority > priority)
            {
                _queue.Enqueue(victim, now.Priority);
                continue;
            }
            _level = priority;
            _bytes -= now.Size;
            _entries.Remove(victim);
            return;
        }
    }
}
