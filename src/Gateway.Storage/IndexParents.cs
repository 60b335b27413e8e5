using System.Globalization;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Which indexes of one repository name a manifest. Read from all its manifests when somebody first asks. An upstream may send indexes of
/// made-up children without end: of each child 16 bytes are kept, of all repositories together only so many, and none of an index that is
/// gone.
/// </summary>
internal sealed class IndexParents
{
    /// <summary>
    /// Most children that are noted of all repositories: 64 MiB. Chosen: two million images of two platforms. The indexes beyond are read
    /// again whenever somebody asks.
    /// </summary>
    public const int MaxNoted = 4 << 20;

    private static int _notedInAll;

    private readonly Lock _lock = new();
    private readonly int _max;

    // Sorted, for each index; null for one that is read again.
    private readonly Dictionary<Digest, UInt128[]?> _children = [];
    private Task? _read;

    public IndexParents()
        : this(MaxNoted)
    {
    }

    /// <param name="max">Most children noted of all repositories before this one notes no more.</param>
    public IndexParents(int max) => _max = max;

    /// <summary>Children that are noted here.</summary>
    public int Noted
    {
        get
        {
            lock (_lock) return _children.Values.Sum(static children => children?.Length ?? 0);
        }
    }

    /// <summary>Notes an index that is stored; nothing while nobody has asked.</summary>
    public void Note(Digest index, Manifest manifest)
    {
        if (Volatile.Read(ref _read) is null) return;
        UInt128[] children = [.. manifest.Children.Select(static child => KeyOf(child.Digest)).Distinct().Order()];
        lock (_lock)
        {
            if (_children.ContainsKey(index)) return;
            var isWithin = Interlocked.Add(ref _notedInAll, children.Length) <= _max;
            if (!isWithin) Interlocked.Add(ref _notedInAll, -children.Length);
            _children[index] = isWithin ? children : null;
        }
    }

    /// <summary>Forgets an index that is removed.</summary>
    public void Forget(Digest index)
    {
        lock (_lock)
        {
            if (_children.Remove(index, out var children)) Interlocked.Add(ref _notedInAll, -(children?.Length ?? 0));
        }
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

    // The first half of a sha256 digest: two that agree in it are nowhere but in an index whose author chose so, and he may as well name
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
