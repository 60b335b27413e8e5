namespace Gateway.Storage;

/// <summary>The recorded use of some content; it may be lost without harm.</summary>
/// <param name="Uses">How often it was requested, up to <see cref="GreedyDual{TKey}.MostUses"/>.</param>
/// <param name="Priority">The content with the lowest priority is evicted first.</param>
internal readonly record struct Worth(uint Uses, double Priority);

/// <summary>
/// The order of eviction: GreedyDual-Size-Frequency (Cherkasova 1998, after Cao and Irani 1997). The cost of content is the time to fetch
/// it again. Each use raises content to the level of the last evicted content, plus its uses times its cost per byte. So frequently used or
/// small content stays, and content that has not been used for long falls behind. A use costs O(1), a removal O(log n). It uses no clock,
/// no files and no locks; <c>bench/Eviction</c> compares it with other orders (docs/design/0005-eviction.md).
/// </summary>
internal sealed class GreedyDual<TKey> where TKey : notnull
{
    /// <summary>
    /// The largest number of uses that counts. Without a limit, content that was once in great demand would stay for too long
    /// (docs/design/0005-eviction.md has figures for 4 to 255).
    /// </summary>
    public const uint MostUses = 15;

    /// <summary>
    /// Bytes that could be fetched in the time before the first byte of a fetch (token, redirect, TLS: some 0.1 s, at 40 MiB/s).
    /// </summary>
    public const double RoundTripBytes = 4 << 20;

    // A cache of a few large layers should still remember its evicted content; some KiB.
    private const int FewestRemembered = 64;

    private readonly Dictionary<TKey, Entry> _entries = [];

    // Holds each entry at a rank that it had. Since ranks only rise, the first entry whose rank is still current is the lowest of all.
    private readonly PriorityQueue<Entry, Rank> _queue = new();

    // Uses of recently evicted content, as many entries as there is content: content that is fetched again soon is known to be in demand.
    private readonly Dictionary<TKey, uint> _gone = [];
    private readonly Queue<TKey> _goneInOrder = new();
    private double _level;
    private long _number;

    /// <summary>The number of contents in the order.</summary>
    public int Count => _entries.Count;

    /// <summary>The sum of their sizes, in bytes.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds new content to the order with one use; false when it is already in it.</summary>
    /// <param name="size">In bytes.</param>
    public bool Add(TKey key, long size)
    {
        if (_entries.ContainsKey(key)) return false;
        var uses = _gone.Remove(key, out var earlier) ? Math.Min(earlier + 1, MostUses) : 1;
        Insert(key, size, new(uses, Raised(uses, size)));
        return true;
    }

    /// <summary>Changes the size of content; false when it is not in the order. Its rank changes with its next use.</summary>
    public bool Resize(TKey key, long size)
    {
        if (!_entries.TryGetValue(key, out var entry)) return false;
        Bytes += size - entry.Size;
        entry.Size = size;
        return true;
    }

    /// <summary>Puts content that <see cref="TryTake"/> returned back in its place.</summary>
    public void Return(TKey key, long size, Worth worth)
    {
        _gone.Remove(key);
        if (!_entries.ContainsKey(key)) Insert(key, size, worth);
    }

    /// <summary>
    /// Fills an empty order with the recorded uses of an earlier one. Content without a record counts as used once, in this order.
    /// </summary>
    public void Restore(IReadOnlyCollection<(TKey Key, long Size, Worth? Known)> contents)
    {
        var priorities = contents.Where(c => c.Known is not null).Select(c => c.Known!.Value.Priority);
        // The last evicted content had no higher priority than the remaining content.
        _level = priorities.DefaultIfEmpty(0).Min();
        foreach (var (key, size, known) in contents)
        {
            if (known is { } worth) Return(key, size, worth);
            else Add(key, size);
        }
    }

    /// <summary>The recorded use of content; null when it is not in the order.</summary>
    public Worth? Find(TKey key) => _entries.TryGetValue(key, out var entry) ? new(entry.Uses, entry.Rank.Priority) : null;

    /// <summary>Notes a use; false when the content is not in the order.</summary>
    public bool Use(TKey key)
    {
        if (!_entries.TryGetValue(key, out var entry)) return false;
        if (entry.Uses < MostUses) entry.Uses++;
        entry.Rank = new(Math.Max(entry.Rank.Priority, Raised(entry.Uses, entry.Size)), ++_number);
        return true;
    }

    /// <summary>Removes content from the order, whatever its place; false when it is not in it.</summary>
    public bool Remove(TKey key)
    {
        if (!_entries.Remove(key, out var entry)) return false;
        entry.IsOut = true;
        Bytes -= entry.Size;
        // Removed content stays in the queue until its place is reached; rebuild the queue when most of it is removed content.
        if (_queue.Count > 2 * _entries.Count + 64) Rebuild();
        return true;
    }

    /// <summary>Removes the content that is next for eviction; false when there is none.</summary>
    public bool TryTake(out TKey key, out long size, out Worth worth)
    {
        while (_queue.TryDequeue(out var entry, out var rank))
        {
            if (entry.IsOut) continue;
            if (entry.Rank != rank)
            {
                _queue.Enqueue(entry, entry.Rank);
                continue;
            }
            (key, size, worth, _level) = (entry.Key, entry.Size, new(entry.Uses, rank.Priority), Math.Max(_level, rank.Priority));
            _entries.Remove(key);
            Bytes -= size;
            Remember(key, entry.Uses);
            return true;
        }
        (key, size, worth) = (default!, 0, default);
        return false;
    }

    private void Insert(TKey key, long size, Worth worth)
    {
        var entry = new Entry(key, size) { Uses = worth.Uses, Rank = new(worth.Priority, ++_number) };
        _entries.Add(key, entry);
        _queue.Enqueue(entry, entry.Rank);
        Bytes += size;
    }

    private void Remember(TKey key, uint uses)
    {
        if (!_gone.ContainsKey(key)) _goneInOrder.Enqueue(key);
        _gone[key] = uses;
        while (_goneInOrder.Count > Math.Max(_entries.Count, FewestRemembered)) _gone.Remove(_goneInOrder.Dequeue());
    }

    private double Raised(uint uses, long size) => _level + (uses * (1 + (RoundTripBytes / Math.Max(size, 1))));

    private void Rebuild()
    {
        _queue.Clear();
        foreach (var entry in _entries.Values) _queue.Enqueue(entry, entry.Rank);
    }

    private sealed class Entry(TKey key, long size)
    {
        public TKey Key { get; } = key;

        public long Size { get; set; } = size;

        public uint Uses { get; set; }

        public Rank Rank { get; set; }

        public bool IsOut { get; set; }
    }

    /// <summary>Among content of the same priority, the least recently used is evicted first.</summary>
    private readonly record struct Rank(double Priority, long Number) : IComparable<Rank>
    {
        public int CompareTo(Rank other) =>
            Priority.CompareTo(other.Priority) is var order and not 0 ? order : Number.CompareTo(other.Number);
    }
}
