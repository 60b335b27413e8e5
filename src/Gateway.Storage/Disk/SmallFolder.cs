using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// The in-memory content of a folder of one repository that has one file for each entry. It is read on first use; after that, the applier
/// reports each file that it writes or removes.
/// </summary>
/// <param name="keyOf">The key of an entry, which is also its order.</param>
/// <param name="read">Reads an entry from its file; null for an incomplete file, which the journal writes again.</param>
internal sealed class SmallFolder<TKey, TEntry>(
    string folder, Func<TEntry, TKey> keyOf, Func<string, TEntry?> read, IComparer<TKey>? order = null)
    where TKey : notnull
    where TEntry : class
{
    private readonly Lock _lock = new();
    private ImmutableSortedDictionary<TKey, TEntry>? _all;

    /// <summary>All entries, in order.</summary>
    public ImmutableSortedDictionary<TKey, TEntry> All()
    {
        if (Volatile.Read(ref _all) is { } known) return known;
        lock (_lock) return _all ??= Read();
    }

    public void Put(TEntry entry)
    {
        lock (_lock) Volatile.Write(ref _all, (_all ?? Read()).SetItem(keyOf(entry), entry));
    }

    public void Remove(TKey key)
    {
        lock (_lock) Volatile.Write(ref _all, (_all ?? Read()).Remove(key));
    }

    private ImmutableSortedDictionary<TKey, TEntry> Read() =>
        Disk.FilesIn(folder).Select(read).OfType<TEntry>().ToImmutableSortedDictionary(keyOf, entry => entry, order);
}
