using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// <c>gateway/fetches/</c>: the growing files of running fetches. A fetch can resume from the part of an interrupted one, as far as the
/// part is contiguous. If bytes were written after a gap, a plan beside the part records its contiguous length. Copies of content in a
/// bucket have files of their own: what an upstream sends never gets into a copy that was checked.
/// </summary>
public sealed class FetchFiles
{
    private readonly string _folder;
    private readonly CacheRoom _room;
    private readonly VolumeHealth _health;
    private readonly Eviction _eviction;
    private readonly ContentFiles _cached;
    private readonly Durability _durability;

    // By path. While readers still hold the file of a fetch that has ended, the next fetch opens the same path.
    private readonly ConcurrentDictionary<string, FetchFile> _open = new(StringComparer.Ordinal);

    internal FetchFiles(
        string folder, CacheRoom room, VolumeHealth health, Eviction eviction, ContentFiles cached, Durability durability) =>
        (_folder, _room, _health, _eviction, _cached, _durability) = (folder, room, health, eviction, cached, durability);

    /// <summary>
    /// Opens the part of this digest, new or from an interrupted fetch. Null when there is no room for <paramref name="size"/> bytes, if
    /// the size is known. One fetch of a digest writes at a time; the caller ensures that.
    /// </summary>
    public FetchFile? Open(Digest digest, long? size)
    {
        DiscardPurged(PartOf(digest));
        return Open(digest, PartOf(digest), size, EarlierLength(digest));
    }

    /// <summary>
    /// Opens the file of a copy from a bucket, new or from an interrupted copy; null as <see cref="Open(Digest, long?)"/>, and while a
    /// fetch from an upstream brings the same bytes: a pushed repository and an upstream's can be asked for the same digest.
    /// </summary>
    internal FetchFile? OpenBeside(Digest digest, long size)
    {
        if (_open.ContainsKey(PartOf(digest))) return null;
        DiscardPurged(CopyOf(digest));
        Disk.RemoveLink(CopyOf(digest));
        return Open(digest, CopyOf(digest), size, Disk.LengthOf(CopyOf(digest)) ?? 0);
    }

    // The operator purged it, and readers still hold it.
    private void DiscardPurged(string path)
    {
        if (_open.TryGetValue(path, out var file) && file.IsPurged) Discard(file);
    }

    private FetchFile? Open(Digest digest, string path, long? size, long earlier)
    {
        if (!HasRoomFor(size ?? 0, earlier)) return null;
        try
        {
            var handle = File.OpenHandle(
                path, earlier > 0 ? FileMode.Open : FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return _open[path] = new FetchFile(this, digest, path, handle, earlier);
        }
        catch (IOException e) when (Posix.SaysFull(e))
        {
            return null;
        }
    }

    /// <summary>
    /// Whether content of this size can be stored now. Evicts cached content if too few bytes are free and that frees enough.
    /// </summary>
    /// <param name="written">How many of the bytes are on the volume already.</param>
    public bool HasRoomFor(long size, long written = 0) =>
        _health.WhyNoWrites is null && DiskCost.OfContent(size) <= _eviction.MaxBytes && _room.TryMake(size - written);

    // If bytes were written ahead, only those that the plan counts are contiguous.
    private long EarlierLength(Digest digest)
    {
        Disk.RemoveLink(PartOf(digest));
        Disk.RemoveLink(PlanOf(digest));
        var earlier = Disk.LengthOf(PartOf(digest)) ?? 0;
        var plan = PlanOf(digest);
        if (Disk.Text(plan) is not { } noted) return earlier;
        if (!long.TryParse(noted, NumberStyles.None, CultureInfo.InvariantCulture, out var contiguous)) contiguous = 0;
        if (earlier > contiguous)
        {
            using var part = File.OpenHandle(PartOf(digest), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.SetLength(part, earlier = contiguous);
        }
        File.Delete(plan);
        return earlier;
    }

    /// <summary>Removes parts that no fetch has resumed for a day: a client that still needs the blob has retried by then.</summary>
    public void Sweep(DateTimeOffset now)
    {
        foreach (var part in Disk.FilesIn(_folder))
        {
            var isOpen = _open.Values.Any(file => part.StartsWith(Stem(file.Digest), StringComparison.Ordinal));
            if (!isOpen && Disk.Find(part) is { Written: var written } && written < now.AddDays(-1)) File.Delete(part);
        }
    }

    /// <summary>Moves a flushed part into the cached root. Throws <see cref="IOException"/> when no room can be made for it.</summary>
    internal void Publish(FetchFile file, long length)
    {
        _eviction.Publish(file.Digest, length, () => file.Keep(() => _cached.Take(file.Path, file.Digest)));
    }

    internal void Discard(FetchFile file) => Discard(file.Digest, file.Path);

    private void Discard(Digest digest, string path)
    {
        File.Delete(path);
        if (path == PartOf(digest)) File.Delete(PlanOf(digest));
    }

    internal static void Reserve(FetchFile file, long size) => Posix.Reserve(file.Handle, file.Path, size);

    internal void Flush(FetchFile file) => _durability.Flush(file.Handle, file.Path);

    /// <summary>Bytes of the part and of the copy of a digest, without those that are being written; 0 for none.</summary>
    public long LengthOf(Digest digest) =>
        PathsOf(digest).Where(path => !_open.ContainsKey(path)).Sum(static path => Disk.LengthOf(path) ?? 0);

    /// <summary>
    /// Purges a part and a copy, for the operator. One that is written now is read to its end, and not kept. Purge the content in the
    /// cached root after this: it may have been moved there just before.
    /// </summary>
    public void Remove(Digest digest)
    {
        foreach (var path in PathsOf(digest))
        {
            if (_open.TryGetValue(path, out var file)) file.Purge();
            else Discard(digest, path);
        }
    }

    private string[] PathsOf(Digest digest) => [PartOf(digest), CopyOf(digest)];

    internal SafeFileHandle OpenPlan(Digest digest) => File.OpenHandle(PlanOf(digest), FileMode.Create, FileAccess.ReadWrite);

    internal void ForgetPlan(Digest digest) => File.Delete(PlanOf(digest));

    /// <summary>False if a later fetch has opened the same path.</summary>
    internal bool Closed(FetchFile file) => _open.TryRemove(new(file.Path, file));

    private string Stem(Digest digest) => $"{_folder}/{digest.AlgorithmName}-{digest.Hex}.";

    private string PartOf(Digest digest) => Stem(digest) + "part";

    private string CopyOf(Digest digest) => Stem(digest) + "copy";

    private string PlanOf(Digest digest) => Stem(digest) + "plan";
}
