namespace Gateway.Storage;

/// <summary>
/// The disk space of each cached content: its bytes, and the small files (notes) that cached repositories have because of it. The lock of
/// <see cref="Eviction"/> guards it. It reads no files and no clock.
/// </summary>
internal sealed class CacheLedger
{
    private readonly Dictionary<DigestKey, Entry> _entries = [];

    // The number of notes of each repository. A repository without notes costs nothing.
    private readonly Dictionary<string, int> _repositories = new(StringComparer.Ordinal);

    /// <summary>The number of contents whose bytes are stored.</summary>
    public int Contents { get; private set; }

    /// <summary>The disk space of the repositories' folders, in bytes.</summary>
    public long OfRepositories => _repositories.Count * DiskCost.Repository;

    /// <summary>Whether a repository has any notes.</summary>
    public bool Has(string repository) => _repositories.ContainsKey(repository);

    /// <summary>All contents, with or without stored bytes.</summary>
    public IEnumerable<DigestKey> Keys => _entries.Keys;

    /// <summary>The disk space of some content, in bytes; null when the content is unknown.</summary>
    public long? BytesOf(DigestKey key) => _entries.TryGetValue(key, out var entry) ? entry.Bytes : null;

    /// <summary>Whether the bytes of some content are stored.</summary>
    public bool HasBytes(DigestKey key) => _entries.TryGetValue(key, out var entry) && entry.Content > 0;

    public void Stored(DigestKey key, long length)
    {
        var entry = Of(key);
        if (entry.Content == 0) Contents++;
        entry.Content = DiskCost.OfContent(length);
    }

    /// <summary>Adds a note, or changes the cost of an existing one.</summary>
    public void Noted(DigestKey key, Note note, long cost)
    {
        var entry = Of(key);
        if (entry.Notes.TryGetValue(note, out var before)) entry.Charged -= before;
        else _repositories[note.Repository] = _repositories.GetValueOrDefault(note.Repository) + 1;
        entry.Notes[note] = cost;
        entry.Charged += cost;
    }

    /// <summary>Adds a cost to the other notes of some content, or subtracts it when negative. Does nothing for unknown content.</summary>
    public void Charge(DigestKey key, long cost)
    {
        if (_entries.TryGetValue(key, out var entry)) entry.Charged = Math.Max(0, entry.Charged + cost);
    }

    /// <summary>Stops counting the bytes of some content, which now belong to another root. Its notes stay.</summary>
    public void Forget(DigestKey key)
    {
        if (!_entries.TryGetValue(key, out var entry)) return;
        if (entry.Content > 0) Contents--;
        entry.Content = 0;
        if (entry.Notes.Count == 0) _entries.Remove(key);
    }

    /// <summary>Removes some content, and returns the notes that existed because of it.</summary>
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
