namespace Gateway.Bench;

/// <summary>
/// W-TinyLFU (Einziger et al., 2017) with sizes as in Caffeine and Ristretto: a window of 1 %, and a main part (LRU). The main part admits
/// only objects that were requested more often than all objects that they would evict. Frequencies are exact here and halved periodically,
/// which favors this policy slightly.
/// </summary>
internal sealed class TinyLfu(long capacity) : ICache
{
    private readonly Dictionary<int, int> _uses = [];
    private readonly Part _window = new();
    private readonly Part _main = new();
    private long _asked;

    public bool Ask(Request request)
    {
        Count(request.Object);
        if (_window.Use(request.Object) || _main.Use(request.Object)) return true;
        if (request.Size > capacity) return false;
        var windowBytes = Math.Max(capacity / 100, 1);
        if (request.Size > windowBytes)
        {
            Admit(request);
            return false;
        }
        _window.Add(request);
        while (_window.Bytes > windowBytes) Admit(_window.TakeOldest());
        return false;
    }

    private void Count(int asked)
    {
        _uses[asked] = Math.Min(_uses.GetValueOrDefault(asked) + 1, 15);
        if (++_asked % Math.Max(10_000, 10L * (_window.Count + _main.Count)) != 0) return;
        foreach (var each in _uses.Keys.ToArray())
        {
            if ((_uses[each] /= 2) == 0) _uses.Remove(each);
        }
    }

    private void Admit(Request candidate)
    {
        var room = capacity - (capacity / 100);
        if (candidate.Size > room) return;
        var (freed, worth) = (0L, 0);
        foreach (var victim in _main.FromOldest())
        {
            if (_main.Bytes - freed + candidate.Size <= room) break;
            freed += victim.Size;
            worth = Math.Max(worth, _uses.GetValueOrDefault(victim.Object));
        }
        if (freed > 0 && _uses.GetValueOrDefault(candidate.Object) <= worth) return;
        while (_main.Bytes + candidate.Size > room) _main.TakeOldest();
        _main.Add(candidate);
    }

    private sealed class Part
    {
        private readonly Dictionary<int, LinkedListNode<Request>> _nodes = [];
        private readonly LinkedList<Request> _list = new();

        public long Bytes { get; private set; }

        public int Count => _nodes.Count;

        public bool Use(int key)
        {
            if (!_nodes.TryGetValue(key, out var node)) return false;
            _list.Remove(node);
            _list.AddFirst(node);
            return true;
        }

        public void Add(Request request)
        {
            _nodes[request.Object] = _list.AddFirst(request);
            Bytes += request.Size;
        }

        public IEnumerable<Request> FromOldest()
        {
            for (var node = _list.Last; node is not null; node = node.Previous) yield return node.Value;
        }

        public Request TakeOldest()
        {
            var oldest = _list.Last!.Value;
            _list.RemoveLast();
            _nodes.Remove(oldest.Object);
            Bytes -= oldest.Size;
            return oldest;
        }
    }
}
