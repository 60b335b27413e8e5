using System.Collections.Concurrent;
using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>Which indexes of one repository name a manifest. Read from all its manifests when somebody first asks.</summary>
internal sealed class IndexParents
{
    private readonly ConcurrentDictionary<Digest, ImmutableHashSet<Digest>> _parents = new();
    private readonly Lock _lock = new();
    private Task? _read;

    /// <summary>Notes an index that is stored; nothing while nobody has asked.</summary>
    public void Note(Digest index, Manifest manifest)
    {
        if (Volatile.Read(ref _read) is null) return;
        foreach (var child in manifest.Children)
            _parents.AddOrUpdate(child.Digest, [index], (_, known) => known.Add(index));
    }

    /// <summary>The indexes that name a manifest, some of which may be gone by now.</summary>
    public async ValueTask<IReadOnlyCollection<Digest>> OfAsync(StoredRepository repository, Digest child)
    {
        Task reading;
        lock (_lock)
        {
            // Set before the reading begins, so that what is stored meanwhile is noted.
            if (_read is null or { IsFaulted: true }) Volatile.Write(ref _read, new Task(() => ReadAll(repository)));
            reading = _read!;
            if (reading.Status == TaskStatus.Created) reading.Start(TaskScheduler.Default);
        }
        await reading;
        return _parents.TryGetValue(child, out var parents) ? parents : [];
    }

    private void ReadAll(StoredRepository repository)
    {
        foreach (var digest in repository.Manifests())
        {
            if (repository.ReadManifest(digest) is { Manifest.IsIndex: true } index) Note(digest, index.Manifest);
        }
    }
}
