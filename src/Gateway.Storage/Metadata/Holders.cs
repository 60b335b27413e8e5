namespace Gateway.Storage;

/// <summary>
/// Which repositories have held pushes. The first question reads it from the disk, once; after that the applier keeps it, so that a page
/// of held pushes does not look at every repository.
/// </summary>
internal sealed class Holders(Catalog catalog, Root pushed, StagedContent stagedContent, Root staged)
{
    // Names that are read from the catalog at a time; it is locked meanwhile.
    private const int NamesAtOnce = 1000;

    private readonly Lock _lock = new();

    // Applied changes during the reading are newer than what it finds: a repository that is in _ended has none.
    private readonly HashSet<(Root Root, string Path)> _all = [];
    private readonly HashSet<(Root Root, string Path)> _ended = [];
    private Task? _reading;
    private bool _isRead;

    /// <summary>The paths of repositories with held pushes in the pushed root and the staged root.</summary>
    public async Task<(string[] Pushed, string[] Staged)> AllAsync()
    {
        Task reading;
        lock (_lock) reading = _reading is { IsFaulted: false } running ? running : _reading = Task.Run(ReadAsync);
        await reading;
        lock (_lock) return (PathsIn(pushed), PathsIn(staged));
    }

    /// <summary>Notes that a held push was added to a repository, or removed from it.</summary>
    public void Changed(StoredRepository repository, bool hasSome)
    {
        var key = (repository.Root, repository.Path);
        lock (_lock)
        {
            if (hasSome)
            {
                _all.Add(key);
                _ended.Remove(key);
            }
            else
            {
                _all.Remove(key);
                if (!_isRead) _ended.Add(key);
            }
        }
    }

    private string[] PathsIn(Root root) => [.. _all.Where(each => each.Root == root).Select(static each => each.Path)];

    private async Task ReadAsync()
    {
        await catalog.ReadAsync();
        var page = catalog.After(null, NamesAtOnce);
        while (true)
        {
            foreach (var name in page.Items) Find(pushed, name.Value);
            if (!page.More || page.Items.Count == 0) break;
            page = catalog.After(page.Items[^1].Value, NamesAtOnce);
        }
        foreach (var path in stagedContent.Repositories) Find(staged, path);
        lock (_lock)
        {
            _isRead = true;
            _ended.Clear();
        }
    }

    private void Find(Root root, string path)
    {
        if (!Disk.FilesIn(root.HeldPushes(path)).Any()) return;
        lock (_lock)
        {
            if (!_ended.Contains((root, path))) _all.Add((root, path));
        }
    }
}
