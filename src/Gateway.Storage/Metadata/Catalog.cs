namespace Gateway.Storage;

/// <summary>
/// The names of the built-in repositories that have a manifest, sorted bytewise. The first use starts to read all names in the background.
/// Until that is done, each page is read from the disk, no further than the page needs.
/// </summary>
internal sealed class Catalog(Root kept)
{
    private readonly Lock _lock = new();

    // Names that changed during the reading: they are checked again when it ends.
    private readonly HashSet<string> _changed = new(StringComparer.Ordinal);
    private SortedSet<string>? _names;
    private Task? _reading;

    /// <summary>Ends when all names are in memory. The first call starts the reading.</summary>
    public Task ReadAsync()
    {
        lock (_lock) return _reading is { IsFaulted: false } reading ? reading : _reading = Task.Run(ReadAll);
    }

    public Page<RepositoryName> After(string? last, int count)
    {
        _ = ReadAsync();
        // A view's upper bound is its largest string: U+FFFF sorts behind every name.
        if (string.CompareOrdinal(last, "\uFFFF") >= 0) return new([], More: false);
        return PageOf(InMemory(last, count) ?? OnDisk(last ?? ""), count);
    }

    public void Add(StoredRepository repository)
    {
        if (repository.Root != kept) return;
        lock (_lock)
        {
            if (_names is null) _changed.Add(repository.Path);
            else _names.Add(repository.Path);
        }
    }

    /// <summary>Removes the name when the repository has no manifest any more.</summary>
    public void Check(StoredRepository repository)
    {
        if (repository.Root != kept || repository.Manifests().Any()) return;
        lock (_lock)
        {
            if (_names is null) _changed.Add(repository.Path);
            else _names.Remove(repository.Path);
        }
    }

    private static Page<RepositoryName> PageOf(IEnumerable<string> following, int count)
    {
        var names = following.Take(count + 1).Select(n => RepositoryName.Parse(n)).ToList();
        var more = names.Count > count;
        if (more) names.RemoveAt(count);
        return new(names, more);
    }

    private List<string>? InMemory(string? last, int count)
    {
        lock (_lock)
        {
            if (_names is null) return null;
            return [.. (last is null ? _names : _names.GetViewBetween(last + "\0", "\uFFFF")).Take(count + 1)];
        }
    }

    private void ReadAll()
    {
        var names = new SortedSet<string>(OnDisk(""), StringComparer.Ordinal);
        lock (_lock)
        {
            foreach (var path in _changed)
            {
                if (HasManifest(path)) names.Add(path);
                else names.Remove(path);
            }
            _changed.Clear();
            _names = names;
        }
    }

    /// <summary>
    /// The names after one, in order, each read only when needed. Names below <c>a</c> begin with <c>a/</c>, and <c>a-b</c> sorts before
    /// them. Therefore a folder is queued twice: as a name, and as the parent of the names below it.
    /// </summary>
    private IEnumerable<string> OnDisk(string last)
    {
        var next = new PriorityQueue<string, string>(StringComparer.Ordinal);
        Below("");
        while (next.TryDequeue(out var path, out _))
        {
            if (path.EndsWith('/')) Below(path);
            else if (RepositoryName.TryParse(path, out _) && HasManifest(path)) yield return path;
        }

        void Below(string prefix)
        {
            foreach (var folder in Disk.FoldersIn($"{kept.Repositories}/{prefix}"))
            {
                var name = Path.GetFileName(folder);
                if (name.StartsWith('_') || !Disk.IsWalked(folder, kept.Repositories)) continue;
                var path = prefix + name;
                if (string.CompareOrdinal(path, last) > 0) next.Enqueue(path, path);
                var below = path + "/";
                if (string.CompareOrdinal(below, last) > 0 || last.StartsWith(below, StringComparison.Ordinal)) next.Enqueue(below, below);
            }
        }
    }

    private bool HasManifest(string path) => Disk.FilesBelow($"{kept.Repository(path)}/_manifests/revisions", "link").Any();
}
