using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Gateway.Storage;

/// <summary>A damaged file of pushed or staged content.</summary>
/// <param name="Root"><c>pushed</c> or <c>staged</c>.</param>
/// <param name="Bytes">The length of the file.</param>
/// <param name="File">Where it was set aside, below the volume; null when it could not be moved, and is still in its place.</param>
public sealed record DamagedFile(string Root, Digest Digest, long Bytes, string? File);

/// <summary>
/// Content whose file does not have its digest. A damaged cached file is removed, and the next request fetches it again. A damaged pushed
/// or staged file is set aside in <c>gateway/damaged/</c>, and is counted until the same content is pushed again or its file is restored.
/// If it cannot be moved, it stays in its place and is not served. Damage is detected when the content is requested, and by a scrub.
/// A file that the disk could not read (EIO) may have the right bytes: it is read again now and then, and served again if it has.
/// </summary>
public sealed class Damage : IDisposable
{
    /// <summary>
    /// The largest number of damaged files in memory; a request for any further one reads it again. Chosen: a volume with more needs a
    /// restore.
    /// </summary>
    private const int MaxKnown = 4096;

    private readonly ConcurrentDictionary<(Lifetime Lifetime, Digest Digest), FileFacts> _known = new();
    private readonly ConcurrentDictionary<(Lifetime Lifetime, Digest Digest), long> _aside = new();

    // When a damaged file that may be right can be read again, in milliseconds of Environment.TickCount64; others are not in it.
    private readonly ConcurrentDictionary<(Lifetime Lifetime, Digest Digest), long> _unread = new();
    private readonly Meter _meter = new("Gateway.Storage.Damage");
    private readonly Counter<long> _found;
    private readonly string _folder;
    private readonly ByteLocks _places;
    private readonly ILogger _logger;

    /// <summary>Reads which files were set aside.</summary>
    /// <param name="folder">Their folder, on the file system of the content.</param>
    internal Damage(string folder, ByteLocks places, ILogger logger)
    {
        (_folder, _places, _logger) = (folder, places, logger);
        foreach (var file in Disk.FilesIn(folder))
        {
            if (Path.GetFileName(file).Split('-', 2) is [var root, var name]
                && Enum.TryParse<Lifetime>(root, ignoreCase: true, out var lifetime)
                && RepositoryFolders.DigestOf(name) is { IsEmpty: false } digest)
            {
                _aside[(lifetime, digest)] = Disk.LengthOf(file) ?? 0;
                // The reason was not stored.
                _unread[(lifetime, digest)] = 0;
            }
        }
        _found = _meter.CreateCounter<long>(
            "gateway.storage.damage.found", description: "Files whose bytes did not have their digest; a cached one is fetched again.");
        _meter.CreateObservableGauge(
            "gateway.storage.damaged", () => (long)Count,
            description: "Pushed blobs and manifests that are damaged on the disk and not served.");
    }

    /// <summary>
    /// How long a file that the disk could not read is left alone. Chosen: clients that try again must not keep a failing disk busy.
    /// </summary>
    internal TimeSpan ReadAgainAfter { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>The number of pushed and staged files that are known to be damaged.</summary>
    public int Count => _known.Count + _aside.Count;

    /// <summary>The pushed and staged files that are known to be damaged, by digest.</summary>
    /// <param name="most">Returns this many at most.</param>
    public IReadOnlyList<DamagedFile> List(int most) =>
    [
        .. _aside.Select(each => new DamagedFile(
                NameOf(each.Key.Lifetime), each.Key.Digest, each.Value,
                $"gateway/damaged/{Path.GetFileName(AsideOf(each.Key.Lifetime, each.Key.Digest))}"))
            .Concat(_known.Select(static each => new DamagedFile(NameOf(each.Key.Lifetime), each.Key.Digest, each.Value.Length, null)))
            .OrderBy(static each => each.Digest.ToString(), StringComparer.Ordinal).Take(most),
    ];

    private static string NameOf(Lifetime lifetime) => lifetime.ToString().ToLowerInvariant();

    /// <summary>The files that were set aside, with their bytes.</summary>
    internal IEnumerable<(Lifetime Lifetime, Digest Digest, long Bytes)> Aside =>
        _aside.Select(static each => (each.Key.Lifetime, each.Key.Digest, each.Value));

    /// <summary>One line for the operator; null while nothing is damaged.</summary>
    public string? Warning => _known.Keys.Concat(_aside.Keys).Select(key => key.Digest).FirstOrDefault() is { IsEmpty: false } one
        ? $"{Count} pushed blobs or manifests are damaged on the disk, such as {one}; they are not served; push them again or restore them"
        : null;

    /// <summary>Whether a root's file of some content is known to be damaged, and has not changed since.</summary>
    internal bool IsKnown(Root root, Digest digest)
    {
        if (_known.IsEmpty || !_known.TryGetValue((root.Lifetime, digest), out var then)) return false;
        if (Disk.Find(root.Data(digest)) is { } now && now.Length == then.Length && now.Written == then.Written) return true;
        Healed(root, digest);
        return false;
    }

    /// <summary>Forgets the damage of a root's file, which has been replaced.</summary>
    internal void Healed(Root root, Digest digest)
    {
        _known.TryRemove((root.Lifetime, digest), out _);
        _unread.TryRemove((root.Lifetime, digest), out _);
        if (_aside.IsEmpty || !_aside.TryRemove((root.Lifetime, digest), out _)) return;
        // If it stays, the next start reads it again, and finds the new file in its place.
        Disk.TryDelete(AsideOf(root.Lifetime, digest));
    }

    /// <summary>Whether a root's file of some content was set aside, and no other file is in its place.</summary>
    internal bool IsAside(Root root, Digest digest)
    {
        if (_aside.IsEmpty || !_aside.ContainsKey((root.Lifetime, digest))) return false;
        if (!Disk.HasFile(root.Data(digest))) return true;
        // The operator has restored it.
        Healed(root, digest);
        return false;
    }

    /// <summary>
    /// Whether a damaged file should be read again now, because the disk could not read it before. True once in each <see
    /// cref="ReadAgainAfter"/>.
    /// </summary>
    internal bool IsDue(Root root, Digest digest)
    {
        var (key, now) = ((root.Lifetime, digest), Environment.TickCount64);
        return _unread.TryGetValue(key, out var due) && due <= now
            && _unread.TryUpdate(key, now + (long)ReadAgainAfter.TotalMilliseconds, due);
    }

    /// <summary>Records that a damaged file was read and has another digest: it is read again only by a scrub.</summary>
    internal void IsWrong(Root root, Digest digest) => _unread.TryRemove((root.Lifetime, digest), out _);

    /// <summary>Tells the operator that a file that was set aside has the right bytes, and is in its place again.</summary>
    internal void BroughtBack(Digest digest, long length) => Log.BroughtBack(_logger, digest, length);

    /// <summary>Where a damaged file is when it was set aside.</summary>
    internal string AsideOf(Lifetime lifetime, Digest digest) =>
        $"{_folder}/{NameOf(lifetime)}-{digest.AlgorithmName}-{digest.Hex}";

    /// <summary>Whether a read failed because the disk cannot return the bytes (EIO, errno.h).</summary>
    internal static bool IsOfTheDisk(IOException e) => e.HResult == 5 || e.InnerException?.HResult == 5;

    /// <summary>
    /// Records that a root's file does not have its digest. False when the file is gone, or is another one now. A cached file is only
    /// counted: the caller removes it, and it is fetched again.
    /// </summary>
    /// <param name="isUnread">Whether the disk could not read it, so that its bytes may be right.</param>
    internal bool Found(Root root, Digest digest, FileFacts read, bool isUnread)
    {
        if (Disk.Find(root.Data(digest)) is not { } file || !IsSame(file, read)) return false;
        _found.Add(1, new KeyValuePair<string, object?>("root", root.Lifetime.ToString().ToLowerInvariant()));
        if (root.Lifetime == Lifetime.Cached)
        {
            Log.CacheDamaged(_logger, digest, file.Length);
            return true;
        }
        Log.Damaged(_logger, digest, file.Length, root.Data(digest));
        if (isUnread && _unread.Count < MaxKnown)
            _unread[(root.Lifetime, digest)] = Environment.TickCount64 + (long)ReadAgainAfter.TotalMilliseconds;
        if (!TrySetAside(root, digest, read) && _known.Count < MaxKnown) _known[(root.Lifetime, digest)] = file;
        return true;
    }

    private static bool IsSame(FileFacts one, FileFacts other) => one.Length == other.Length && one.Written == other.Written;

    // It stays known after a restart, and a push writes a new file in its place.
    private bool TrySetAside(Root root, Digest digest, FileFacts read)
    {
        try
        {
            lock (_places.Of(digest))
            {
                // A push that replaced the file did so under this lock.
                if (Disk.Find(root.Data(digest)) is not { } now || !IsSame(now, read)) return true;
                SmallFiles.Move(root.Data(digest), AsideOf(root.Lifetime, digest));
                _aside[(root.Lifetime, digest)] = read.Length;
            }
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
