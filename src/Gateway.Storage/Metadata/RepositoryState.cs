using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// The in-memory state of one repository: a view of the disk that only this process changes. All of it can be read again.
/// </summary>
internal sealed class RepositoryState
{
    private static readonly Comparer<TagName> ByName = Comparer<TagName>.Create((a, b) => string.CompareOrdinal(a.Value, b.Value));

    private readonly Root _root;
    private readonly string _path;
    private readonly Lock _lock = new();
    private readonly Dictionary<TagName, TagState> _live = [];
    private List<string>? _sorted;

    // Tags that changed while the names of all tags are read, and whether each is bound; applied when the reading ends.
    private Dictionary<string, bool> _changed = [];
    private Task? _reading;

    private Task? _scan;
    private long _additions;
    private long _referrals;
    private RepositoryLog? _log;
    private ImmutableHashSet<Digest> _leaving = [];

    internal RepositoryState(Root root, string path)
    {
        (_root, _path) = (root, path);
        HeldPushes = new(root.HeldPushes(path), static held => held.Tag, HeldPushFile.Read, ByName);
        Forwards = new(root.Forwards(path), static forward => forward.Sequence, ForwardFile.Read);
        Seen = new(root.Seen(path));
        Releases = new(root.Releases(path), static release => release.Digest, ReleaseFile.Read);
    }

    internal SmallFolder<TagName, HeldPush> HeldPushes { get; }

    /// <summary>The manifests that an operator released, by digest.</summary>
    internal SmallFolder<Digest, ManifestRelease> Releases { get; }

    /// <summary>The pushes that must still be forwarded, and those that the upstream refused recently, by their number.</summary>
    internal SmallFolder<long, PendingForward> Forwards { get; }

    /// <summary>How often the evidence about each subject has changed.</summary>
    internal SubjectVersions Versions { get; } = new();

    /// <summary>See <see cref="IRepositoryChanges.Additions"/>.</summary>
    public long Additions => Volatile.Read(ref _additions);

    /// <summary>Counts the entries that a change has added.</summary>
    public void Add(Room? room) => Interlocked.Add(ref _additions, room?.Adds ?? 0);

    /// <summary>The indexes that name a manifest.</summary>
    internal IndexParents Parents { get; } = new();

    /// <summary>When content was first seen here.</summary>
    internal SeenTimes Seen { get; }

    /// <summary>
    /// Notes that the collector's removal of a blob's link is being committed. From then on, a pusher who asks for the blob is told that it
    /// is absent, until <see cref="Stay"/>. Only the committer's thread calls it.
    /// </summary>
    public void Leave(Digest blob) => Volatile.Write(ref _leaving, _leaving.Add(blob));

    /// <summary>Ends <see cref="Leave"/>: the link was removed, or it stays. Only the committer's thread calls it.</summary>
    public void Stay(Digest blob) => Volatile.Write(ref _leaving, _leaving.Remove(blob));

    /// <summary>Whether the collector is removing the link of a blob.</summary>
    public bool IsLeaving(Digest blob) => Volatile.Read(ref _leaving) is { Count: > 0 } leaving && leaving.Contains(blob);

    /// <summary>
    /// Held while a link is read from the disk and stored in the lookup index, or changed in both: a reading never overtakes a removal.
    /// </summary>
    public Lock Links { get; } = new();

    /// <summary>The log of a shared repository, made by the first caller: one for all views of the repository.</summary>
    public RepositoryLog LogOrMake(Func<RepositoryLog> make)
    {
        lock (_lock) return _log ??= make();
    }

    /// <summary>See <see cref="RepositoryLog.Fence"/>; -1 while there is no log.</summary>
    public long Fence
    {
        get
        {
            lock (_lock) return _log?.Fence ?? -1;
        }
    }

    /// <summary>
    /// How many operations were applied that may refer to content: each makes the collector look again whether content is needed.
    /// </summary>
    public long Referrals => Volatile.Read(ref _referrals);

    /// <summary>Counts an operation that refers to content.</summary>
    public void Refer() => Interlocked.Increment(ref _referrals);

    /// <summary>
    /// The search of the manifests that other programs pushed, once per start. All callers wait for the same search, without a lock. A
    /// failed search is tried again.
    /// </summary>
    public Task ScanOnceAsync(Action scan)
    {
        lock (_lock) return _scan is { IsFaulted: false } running ? running : _scan = Task.Run(scan);
    }

    /// <summary>
    /// The digest to which a tag is bound, read from the disk on first use; null when it is not bound. The lock orders that reading before
    /// any later binding.
    /// </summary>
    public TagState? Live(TagName tag)
    {
        lock (_lock)
        {
            if (_live.TryGetValue(tag, out var known)) return known;
            var link = _root.TagLink(_path, tag);
            var digest = SmallFiles.ReadLink(link);
            if (digest.IsEmpty) return null;
            return _live[tag] = new(digest, default) { ValidatedAt = Disk.Find(link)?.Written ?? default };
        }
    }

    /// <summary>Notes that a tag is bound.</summary>
    public void Bind(TagName tag, TagState state)
    {
        lock (_lock)
        {
            _live[tag] = state;
            List(tag.Value, isBound: true);
        }
    }

    /// <summary>Notes that a tag is no longer bound.</summary>
    public void Unbind(TagName tag)
    {
        lock (_lock)
        {
            _live.Remove(tag);
            List(tag.Value, isBound: false);
        }
    }

    private void List(string tag, bool isBound)
    {
        if (_sorted is null)
        {
            if (_reading is not null) _changed[tag] = isBound;
            return;
        }
        var at = _sorted.BinarySearch(tag, StringComparer.Ordinal);
        if (isBound && at < 0) _sorted.Insert(~at, tag);
        if (!isBound && at >= 0) _sorted.RemoveAt(at);
    }

    /// <summary>The tags that this process knows to be bound to a manifest.</summary>
    public TagName[] BoundTo(Digest digest)
    {
        lock (_lock) return [.. _live.Where(t => t.Value.Live == digest).Select(t => t.Key)];
    }

    /// <summary>
    /// A page of the tags; <paramref name="load"/> reads all names on first use. Concurrent callers share one reading and hold no lock: a
    /// million tags take a minute from a cold disk, during which the tags can be pulled and pushed.
    /// </summary>
    public async ValueTask<Page<TagName>> TagsAfterAsync(
        string? last, int count, Func<IEnumerable<string>> load, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task reading;
            lock (_lock)
            {
                if (_sorted is not null) return PageOf(_sorted, last, count);
                if (_reading is not { IsFaulted: false })
                {
                    _changed = [];
                    _reading = Task.Run(() => ReadNames(load), CancellationToken.None);
                }
                reading = _reading;
            }
            await reading.WaitAsync(cancellationToken);
        }
    }

    private void ReadNames(Func<IEnumerable<string>> load)
    {
        List<string> names = [.. load()];
        names.Sort(StringComparer.Ordinal);
        lock (_lock)
        {
            _sorted = names;
            foreach (var (tag, isBound) in _changed) List(tag, isBound);
            _changed = [];
        }
    }

    private static Page<TagName> PageOf(List<string> sorted, string? last, int count)
    {
        var start = last is null ? 0 : sorted.BinarySearch(last, StringComparer.Ordinal) is var at && at >= 0 ? at + 1 : ~at;
        var names = sorted.Skip(start).Take(count).Select(t => TagName.Parse(t)).ToArray();
        return new(names, start + names.Length < sorted.Count);
    }
}

/// <summary>
/// The states in memory. A state that is in use is always found again, so that two views of one repository never differ. A number of
/// recently used states stay as well.
/// </summary>
internal sealed class RepositoryStates
{
    /// <summary>
    /// The number of recently used repositories that stay in memory when they are not in use. A tag takes about 200 bytes, so that even
    /// 4,096 repositories of 100 tags stay below 100 MB.
    /// </summary>
    private const int Recent = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<(Root Root, string Path), WeakReference<RepositoryState>> _states = [];
    private readonly Queue<RepositoryState> _recent = new();

    /// <summary>The state of a repository; created on first use.</summary>
    public RepositoryState Get(Root root, string path)
    {
        lock (_lock)
        {
            if (_states.TryGetValue((root, path), out var reference) && reference.TryGetTarget(out var known)) return known;
            if (_states.Count > 2 * Recent) Prune();
            var state = new RepositoryState(root, path);
            _states[(root, path)] = new(state);
            _recent.Enqueue(state);
            if (_recent.Count > Recent) _recent.Dequeue();
            return state;
        }
    }

    private void Prune()
    {
        foreach (var (path, reference) in _states)
        {
            if (!reference.TryGetTarget(out _)) _states.Remove(path);
        }
    }
}
