using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// What each cached content takes on the disk: its bytes, and the small files that cached repositories keep because of it. Held by
/// <see cref="Eviction"/>'s lock; pure.
/// </summary>
internal sealed class CacheLedger
{
    private readonly Dictionary<DigestKey, Entry> _entries = [];

    // Notes of each repository: one that has none costs nothing.
    private readonly Dictionary<string, int> _repositories = new(StringComparer.Ordinal);

    /// <summary>Contents whose bytes are here.</summary>
    public int Contents { get; private set; }

    /// <summary>What the folders of the repositories take.</summary>
    public long OfRepositories => _repositories.Count * DiskCost.Repository;

    /// <summary>Whether anything is noted of a repository.</summary>
    public bool Has(string repository) => _repositories.ContainsKey(repository);

    /// <summary>All contents, with or without bytes here.</summary>
    public IEnumerable<DigestKey> Keys => _entries.Keys;

    /// <summary>What a content takes; null for one that is unknown.</summary>
    public long? BytesOf(DigestKey key) => _entries.TryGetValue(key, out var entry) ? entry.Bytes : null;

    /// <summary>Whether the bytes of some content are here.</summary>
    public bool HasBytes(DigestKey key) => _entries.TryGetValue(key, out var entry) && entry.Content > 0;

    public void Stored(DigestKey key, long length)
    {
        var entry = Of(key);
        if (entry.Content == 0) Contents++;
        entry.Content = DiskCost.OfContent(length);
    }

    /// <summary>Takes in a note; one that is there already may have another cost now.</summary>
    public void Noted(DigestKey key, Note note, long cost)
    {
        var entry = Of(key);
        if (entry.Notes.TryGetValue(note, out var before)) entry.Charged -= before;
        else _repositories[note.Repository] = _repositories.GetValueOrDefault(note.Repository) + 1;
        entry.Notes[note] = cost;
        entry.Charged += cost;
    }

    /// <summary>Adds a cost that goes with the content's other notes, or takes one away; nothing for one that is unknown.</summary>
    public void Charge(DigestKey key, long cost)
    {
        if (_entries.TryGetValue(key, out var entry)) entry.Charged = Math.Max(0, entry.Charged + cost);
    }

    /// <summary>The bytes of some content are another's from now on; its notes stay.</summary>
    public void Forget(DigestKey key)
    {
        if (!_entries.TryGetValue(key, out var entry)) return;
        if (entry.Content > 0) Contents--;
        entry.Content = 0;
        if (entry.Notes.Count == 0) _entries.Remove(key);
    }

    /// <summary>Takes a content out, and says what notes were kept because of it.</summary>
    public IReadOnlyList<Note> Remove(DigestKey key)
    {
        if (!_entries.Remove(key, out var entry)) return [];
        if (entry.Content > 0) Contents--;
        foreach (var note in entry.Notes.Keys)
        {
            if (--_repositories[note.Repository] == 0) _repositories.Remove(note.Repository);
        }
        return [.. entry.Notes.Keys];
    }

    private Entry Of(DigestKey key)
    {
        if (!_entries.TryGetValue(key, out var entry)) _entries[key] = entry = new();
        return entry;
    }

    private sealed class Entry
    {
        public long Content { get; set; }

        public long Charged { get; set; }

        public Dictionary<Note, long> Notes { get; } = new(1);

        public long Bytes => Content + Charged;
    }
}
