namespace Gateway.Bench;

/// <summary>
/// S3-FIFO (Yang et al., SOSP 2023) with queues counted in bytes: a tenth for new objects, the remainder for objects that were requested
/// again.
/// </summary>
internal sealed class S3Fifo(long capacity) : ICache
{
    private readonly Dictionary<int, Entry> _entries = [];
    private readonly Queue<Entry> _small = new();
    private readonly Queue<Entry> _main = new();
    private readonly Queue<int> _ghosts = new();
    private readonly HashSet<int> _isGhost = [];
    private long _smallBytes;
    private long _mainBytes;

    private sealed class Entry(Request request)
    {
        public Request Request { get; } = request;

        public int Uses { get; set; }
    }

    public bool Ask(Request request)
    {
        if (_entries.TryGetValue(request.Object, out var known))
        {
            known.Uses = Math.Min(known.Uses + 1, 3);
            return true;
        }
        if (request.Size > capacity) return false;
        while (_smallBytes + _mainBytes + request.Size > capacity) Evict();
        var entry = new Entry(request);
        _entries[request.Object] = entry;
        if (_isGhost.Remove(request.Object)) ToMain(entry);
        else ToSmall(entry);
        return false;
    }

    private void ToSmall(Entry entry)
    {
        _small.Enqueue(entry);
        _smallBytes += entry.Request.Size;
    }

    private void ToMain(Entry entry)
    {
        _main.Enqueue(entry);
        _mainBytes += entry.Request.Size;
    }

    private void Evict()
    {
        if (_small.Count > 0 && (_smallBytes >= capacity / 10 || _main.Count == 0)) EvictSmall();
        else EvictMain();
    }

    private void EvictSmall()
    {
        var entry = _small.Dequeue();
        _smallBytes -= entry.Request.Size;
        if (entry.Uses > 1)
        {
            entry.Uses = 0;
            ToMain(entry);
            return;
        }
        _entries.Remove(entry.Request.Object);
        Remember(entry.Request.Object);
    }

    private void EvictMain()
    {
        var entry = _main.Dequeue();
        _mainBytes -= entry.Request.Size;
        if (entry.Uses-- > 0) ToMain(entry);
        else _entries.Remove(entry.Request.Object);
    }

    // As many entries as the cache has objects.
    private void Remember(int gone)
    {
        if (_isGhost.Add(gone)) _ghosts.Enqueue(gone);
        while (_ghosts.Count > Math.Max(16, _entries.Count)) _isGhost.Remove(_ghosts.Dequeue());
    }
}
