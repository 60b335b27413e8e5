using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// A folder of one repository that has a file for each entry, in memory: read on first use, and then told of what the applier writes there.
/// </summary>
/// <param name="keyOf">What an entry is found and ordered by.</param>
/// <param name="read">An entry from its file; null for one that is not whole: a power cut left it, and the journal writes it again.</param>
internal sealed class SmallFolder<TKey, TEntry>(Func<TEntry, TKey> keyOf, Func<string, TEntry?> read, IComparer<TKey>? order = null)
    where TKey : notnull
    where TEntry : class
{
    private readonly Lock _lock = new();
    private ImmutableSortedDictionary<TKey, TEntry>? _all;

    /// <summary>All entries, in order; <paramref name="folder"/> is read on first use.</summary>
    public ImmutableSortedDictionary<TKey, TEntry> All(string folder)
    {
        if (Volatile.Read(ref _all) is { } known) return known;
        lock (_lock) return _all ??= Read(folder);
    }

    public void Put(string folder, TEntry entry)
    {
        lock (_lock) Volatile.Write(ref _all, (_all ?? Read(folder)).SetItem(keyOf(entry), entry));
    }

    public void Remove(string folder, TKey key)
    {
        lock (_lock) Volatile.Write(ref _all, (_all ?? Read(folder)).Remove(key));
    }

    private ImmutableSortedDictionary<TKey, TEntry> Read(string folder)
    {
        return Disk.FilesIn(folder).Select(read).OfType<TEntry>().ToImmutableSortedDictionary(keyOf, entry => entry, order);
    }
}
