using System.Collections.Concurrent;
using Gateway.Oci;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// <c>gateway/fetches/</c>: the growing files of fetches under way. A part that a stop left behind can be taken up again.
/// </summary>
internal sealed class FetchFiles(string folder, Volume volume)
{
    private readonly ConcurrentDictionary<Digest, FetchFile> _open = new();

    /// <summary>Bytes of the volume that stay free: below it nothing is kept of what is fetched.</summary>
    public long KeepFree { get; set; }

    /// <summary>
    /// Opens the part of this digest, new or left behind, and reserves <paramref name="size"/> bytes for it where the size is known. Null
    /// when there is no room. At most one is open per digest; the caller sees to that.
    /// </summary>
    public FetchFile? Open(Digest digest, long? size)
    {
        var path = PartOf(digest);
        var left = SmallFiles.Length(path) ?? 0;
        if (volume.FreeBytes - (size ?? 0) + left < KeepFree) return null;
        try
        {
            var handle = left > 0
                ? File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete)
                : File.OpenHandle(
                    path, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, FileOptions.None, size ?? 0);
            var file = new FetchFile(this, digest, handle, left, size ?? left);
            _open[digest] = file;
            return file;
        }
        catch (IOException e) when (Posix.SaysFull(e))
        {
            return null;
        }
    }

    /// <summary>Removes parts that nobody has taken up for a day: whoever still wants the blob has tried again by then.</summary>
    public void Sweep(DateTimeOffset now)
    {
        foreach (var part in Directory.GetFiles(folder))
        {
            if (File.GetLastWriteTimeUtc(part) < now.UtcDateTime.AddDays(-1) && !_open.Values.Any(f => PartOf(f.Digest) == part))
                File.Delete(part);
        }
    }

    /// <summary>Moves a flushed part into the cached root.</summary>
    internal void Publish(FetchFile file)
    {
        SmallFiles.Move(PartOf(file.Digest), volume.CachedRoot.Data(file.Digest));
        volume.OpenFiles.Forget(Lifetime.Cached, file.Digest);
        volume.Eviction.Published(file.Reserved);
    }

    internal void Discard(Digest digest) => File.Delete(PartOf(digest));

    internal void Closed(FetchFile file) => _open.TryRemove(new(file.Digest, file));

    private string PartOf(Digest digest) => $"{folder}/{digest.AlgorithmName}-{digest.Hex}.part";
}

/// <summary>One growing file. Written by one; read by many at once, below what was written.</summary>
internal sealed class FetchFile(FetchFiles files, Digest digest, SafeFileHandle handle, long leftBehind, long reserved) : IAsyncDisposable
{
    /// <summary>
    /// Written back behind the writer in pieces of this size, so that the flush at the end is short and disturbs nobody
    /// (docs/design/0001-storage.md).
    /// </summary>
    private const long Writeback = 8 << 20;

    private long _length;

    public Digest Digest { get; } = digest;

    /// <summary>For reads by <see cref="RandomAccess"/> and by sendfile.</summary>
    public SafeFileHandle Handle { get; } = handle;

    /// <summary>Bytes that a stop left behind, not yet hashed again; 0 for a new part.</summary>
    public long LeftBehind { get; } = leftBehind;

    internal long Reserved => Math.Max(reserved, Volatile.Read(ref _length));

    /// <summary>Writes bytes at an offset. Throws <see cref="IOException"/> when the volume is full or ill.</summary>
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await RandomAccess.WriteAsync(Handle, bytes, offset, cancellationToken);
        var end = offset + bytes.Length;
        if (end / Writeback > offset / Writeback) Posix.StartWriteback(Handle, offset / Writeback * Writeback, Writeback);
        if (end > _length) Volatile.Write(ref _length, end);
    }

    /// <summary>
    /// The content is complete and its digest was checked: flushes it and moves it into the cached root, after which every repository that
    /// links it has it.
    /// </summary>
    public async ValueTask PublishAsync(long length, CancellationToken cancellationToken)
    {
        // A flush may take long, and nobody waits for this one.
        await Task.Factory.StartNew(
            () =>
            {
                if (RandomAccess.GetLength(Handle) != length) RandomAccess.SetLength(Handle, length);
                RandomAccess.FlushToDisk(Handle);
                files.Publish(this);
            },
            cancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    /// <summary>The content is wrong: removes the part. Readers that hold the handle keep it.</summary>
    public void Discard() => files.Discard(Digest);

    /// <summary>Closes the file when its last reader has; an unpublished, undiscarded part is left for later.</summary>
    public ValueTask DisposeAsync()
    {
        files.Closed(this);
        Handle.Dispose();
        return ValueTask.CompletedTask;
    }
}
