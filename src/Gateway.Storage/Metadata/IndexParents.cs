using System.Globalization;

namespace Gateway.Storage;

/// <summary>
/// The indexes of one repository that name a manifest, read from all its manifests on first use. An upstream may send any number of indexes
/// with invented children. Therefore 16 bytes are stored for each child, up to a limit for all repositories together, and none for removed
/// indexes.
/// </summary>
/// <param name="max">The number of children stored for all repositories from which this one stores no more.</param>
internal sealed class IndexParents(int max = IndexParents.MaxNoted)
{
    /// <summary>
    /// The largest number of children stored for all repositories: 64 MiB. Chosen: two million images of two platforms. Indexes beyond the
    /// limit are read again for each query.
    /// </summary>
    public const int MaxNoted = 4 << 20;

    private static int _notedInAll;

    private readonly Lock _lock = new();

    // Sorted, for each index; null for an index that must be read again.
    private readonly Dictionary<Digest, UInt128[]?> _children = [];
    private Task? _read;

    /// <summary>The number of children stored here.</summary>
    public int Noted
    {
        get
        {
            lock (_lock) return _children.Values.Sum(static children => children?.Length ?? 0);
        }
    }

    /// <summary>Whether there was a query, so that stored indexes must be noted.</summary>
    public bool IsUsed => Volatile.Read(ref _read) is not null;

    /// <summary>Adds an index that was stored. Does nothing before the first query.</summary>
    public void Note(Digest index, Manifest manifest)
    {
        if (!IsUsed) return;
        UInt128[] children = [.. manifest.Children.Select(static child => KeyOf(child.Digest)).Distinct().Order()];
        lock (_lock)
        {
            if (_children.ContainsKey(index)) return;
            var isWithin = Interlocked.Add(ref _notedInAll, children.Length) <= max;
            if (!isWithin) Interlocked.Add(ref _notedInAll, -children.Length);
            _children[index] = isWithin ? children : null;
        }
    }

    /// <summary>Removes an index that was removed from the repository.</summary>
    public void Forget(Digest index)
    {
        lock (_lock)
        {
            if (_children.Remove(index, out var children)) Interlocked.Add(ref _notedInAll, -(children?.Length ?? 0));
        }
    }

    /// <summary>The indexes that name a manifest; some may have been removed since.</summary>
    public async ValueTask<IReadOnlyCollection<Digest>> OfAsync(StoredRepository repository, Digest child)
    {
        Task reading;
        lock (_lock)
        {
            // Set before the reading begins, so that an index that is stored during it is added.
            if (_read is null or { IsFaulted: true }) Volatile.Write(ref _read, new Task(() => ReadAll(repository)));
            reading = _read!;
            if (reading.Status == TaskStatus.Created) reading.Start(TaskScheduler.Default);
        }
        await reading;
        var (parents, unread) = Find(KeyOf(child));
        parents.AddRange(unread.Where(index => repository.ReadManifest(index)?.Manifest.Children.Any(c => c.Digest == child) == true));
        return parents;
    }

    private (List<Digest> Parents, List<Digest> Unread) Find(UInt128 child)
    {
        var (parents, unread) = (new List<Digest>(), new List<Digest>());
        lock (_lock)
        {
            foreach (var (index, children) in _children)
            {
                if (children is null) unread.Add(index);
                else if (Array.BinarySearch(children, child) >= 0) parents.Add(index);
            }
        }
        return (parents, unread);
    }

    // The first half of a sha256 digest. Two digests collide in it only in an index whose author chose them; that author could also name
    // the manifest itself.
    private static UInt128 KeyOf(Digest digest) =>
        UInt128.Parse(digest.Hex[..32], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private void ReadAll(StoredRepository repository)
    {
        foreach (var digest in repository.Manifests())
        {
            if (repository.ReadManifest(digest) is { Manifest.IsIndex: true } index) Note(digest, index.Manifest);
        }
    }
}
