using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>One growing file. It has one writer, and many concurrent readers of the bytes that are already written.</summary>
public sealed class FetchFile(FetchFiles files, Digest digest, string path, SafeFileHandle handle, long earlierLength) : IAsyncDisposable
{
    /// <summary>
    /// Bytes per piece of writeback behind the writer. It keeps the flush at the end short, so that the flush delays no other request
    /// (docs/design/0001-storage.md).
    /// </summary>
    private const long Writeback = 8 << 20;

    private readonly Lock _gate = new();
    private SafeFileHandle? _plan;
    private volatile IOException? _full;
    private bool _isPurged;

    /// <summary>The digest of the content that is fetched.</summary>
    public Digest Digest { get; } = digest;

    /// <summary>The path of the file.</summary>
    internal string Path { get; } = path;

    /// <summary>The handle for reads by <see cref="RandomAccess"/> and by sendfile.</summary>
    public SafeFileHandle Handle { get; } = handle;

    /// <summary>Bytes from an interrupted fetch that are not hashed again yet; 0 for a new part.</summary>
    public long EarlierLength { get; } = earlierLength;

    /// <summary>
    /// Reserves room for the content in the background, so that its first byte does not wait for the file system; false when the volume has
    /// too little. If the file system finds no room, the next write throws.
    /// </summary>
    public bool TryReserve(long size)
    {
        if (!files.HasRoomFor(size, EarlierLength)) return false;
        _ = Task.Run(() =>
        {
            try
            {
                FetchFiles.Reserve(this, size);
            }
            catch (IOException e)
            {
                _full = e;
            }
            catch (ObjectDisposedException)
            {
                // The content was complete before.
            }
        });
        return true;
    }

    /// <summary>
    /// Writes bytes at an offset. Throws <see cref="IOException"/> when the volume is full or fails. It blocks, as the platform's
    /// asynchronous write does on another thread; that one costs a cold pull two thread switches for each step.
    /// </summary>
    public void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        if (_full is { } full) throw new IOException(full.Message, full);
        RandomAccess.Write(Handle, bytes, offset);
        var end = offset + bytes.Length;
        if (end / Writeback > offset / Writeback) Posix.StartWriteback(Handle, offset / Writeback * Writeback, Writeback);
    }

    /// <summary>
    /// Allows writes after a gap from now on: after a stop, the part must not look complete up to its end. Throws <see
    /// cref="IOException"/>.
    /// </summary>
    public void BeginAhead(long contiguous)
    {
        _plan ??= files.OpenPlan(Digest);
        NoteContiguous(contiguous);
    }

    /// <summary>Records that this many bytes are contiguous now.</summary>
    public void NoteContiguous(long contiguous)
    {
        if (_plan is null) return;
        // Twenty digits, overwriting the previous ones: a reader finds the old or the new number.
        var digits = contiguous.ToString("D20", CultureInfo.InvariantCulture);
        RandomAccess.Write(_plan, Encoding.ASCII.GetBytes(digits), 0);
    }

    /// <summary>Discards the bytes that were written after a gap.</summary>
    public void EndAhead(long contiguous)
    {
        if (_plan is null) return;
        RandomAccess.SetLength(Handle, contiguous);
        _plan.Dispose();
        _plan = null;
        files.ForgetPlan(Digest);
    }

    /// <summary>
    /// Publishes the part when the content is complete and its digest is checked: flushes it and moves it into the cached root. Every
    /// repository that links the content has it from then on.
    /// </summary>
    public async ValueTask PublishAsync(long length, CancellationToken cancellationToken)
    {
        // A flush may take long, and no request waits for this one.
        await Task.Factory.StartNew(
            () =>
            {
                if (RandomAccess.GetLength(Handle) != length) RandomAccess.SetLength(Handle, length);
                files.Flush(this);
                files.Publish(this, length);
            },
            cancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    /// <summary>Whether the operator purged it.</summary>
    internal bool IsPurged
    {
        get
        {
            lock (_gate) return _isPurged;
        }
    }

    /// <summary>Does not keep what is written, because the operator purged it.</summary>
    internal void Purge()
    {
        lock (_gate) _isPurged = true;
    }

    /// <summary>Moves the file to its place. Throws <see cref="IOException"/> when it was purged.</summary>
    internal void Keep(Action move)
    {
        lock (_gate)
        {
            if (_isPurged) throw new IOException($"{Digest} was purged while it was written");
            move();
        }
    }

    /// <summary>Removes the part because its content is wrong. Readers that hold the handle can still read it.</summary>
    public void Discard() => files.Discard(this);

    /// <summary>
    /// Closes the file when its last reader does. A part that is neither published nor discarded nor purged stays for a later fetch.
    /// </summary>
    public ValueTask DisposeAsync()
    {
        _plan?.Dispose();
        if (files.Closed(this) && IsPurged) Discard();
        Handle.Dispose();
        return ValueTask.CompletedTask;
    }
}
