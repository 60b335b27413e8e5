using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// The names of the kept repositories that have a manifest, sorted bytewise. Read from the disk once, on first use, and kept right from
/// then on.
/// </summary>
internal sealed class Catalog(Root kept)
{
    private readonly Lock _lock = new();
    private SortedSet<string>? _names;

    public Page<RepositoryName> After(string? last, int count)
    {
        lock (_lock)
        {
            _names ??= new(Walk(), StringComparer.Ordinal);
            // A view's upper bound is its largest string: U+FFFF sorts behind every name.
            if (string.CompareOrdinal(last, "\uFFFF") >= 0) return new([], More: false);
            var following = last is null ? _names : _names.GetViewBetween(last + "\0", "\uFFFF");
            var names = following.Take(count + 1).Select(n => RepositoryName.Parse(n)).ToList();
            var more = names.Count > count;
            if (more) names.RemoveAt(count);
            return new(names, more);
        }
    }

    public void Add(StoredRepository repository)
    {
        if (repository.Root != kept) return;
        lock (_lock) _names?.Add(repository.Path);
    }

    /// <summary>Takes the name out when the last manifest has gone.</summary>
    public void Check(StoredRepository repository)
    {
        if (repository.Root != kept || repository.Manifests().Any()) return;
        lock (_lock) _names?.Remove(repository.Path);
    }

    private IEnumerable<string> Walk()
    {
        var folders = new Stack<string>();
        folders.Push(kept.Repositories);
        while (folders.TryPop(out var folder))
        {
            foreach (var child in Disk.FoldersIn(folder))
            {
                var name = Path.GetFileName(child);
                if (name == "_manifests" && HasManifest(child)
                    && RepositoryName.TryParse(Path.GetRelativePath(kept.Repositories, folder), out var repository))
                    yield return repository.Value;
                if (!name.StartsWith('_')) folders.Push(child);
            }
        }
    }

    private static bool HasManifest(string manifests) =>
        Disk.FilesBelow($"{manifests}/revisions", "link").Any();
}
