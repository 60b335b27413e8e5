using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// The durability of a volume. It is the only place that flushes, and it knows whether writes have ended because a flush failed. The
/// runtime's own flushes (<see cref="RandomAccess.FlushToDisk"/>, <see cref="FileStream.Flush(bool)"/>) return normally when the system
/// call fails, so no other code in the gateway may use them.
/// </summary>
/// <remarks>
/// A failed flush is never tried again: the kernel reports an error once and then forgets which pages it could not write, so a second flush
/// succeeds without them (fsync(2); PostgreSQL, "fsyncgate", 2018). Writes end until the gateway is restarted.
/// </remarks>
internal sealed partial class Durability : IDisposable
{
    private const int Interrupted = 4; // EINTR: a signal; the kernel has not reported any error yet

    private readonly string _path;
    private readonly ILogger _logger;

    // Opened at the start: syncfs(2) reports errors since the descriptor was opened. A later descriptor can miss earlier errors.
    private readonly SafeFileHandle _folder;
    private Stop? _ended;

    /// <param name="Why">One line that a client may see.</param>
    /// <param name="Details">The same with paths, for the operator.</param>
    private sealed record Stop(string Why, string Details);

    private delegate int Call(SafeFileHandle file);

    /// <param name="path">A folder on the file system that the volume is on.</param>
    /// <param name="logger">Where the first failed flush is logged.</param>
    /// <exception cref="IOException">The folder cannot be opened.</exception>
    public Durability(string path, ILogger logger)
    {
        (_path, _logger) = (path, logger);
        _folder = Posix.OpenFolder(path);
    }

    /// <summary>
    /// Why writes have ended, in one line that a client may see; null while writes are possible. Once set, it stays until the volume is
    /// opened again.
    /// </summary>
    public string? Ended => Volatile.Read(ref _ended)?.Why;

    /// <summary>The same as <see cref="Ended"/> for the operator; it may name paths.</summary>
    public string? EndedDetails => Volatile.Read(ref _ended)?.Details;

    /// <summary>Ends all writes. Only the first reason is stored.</summary>
    /// <param name="why">One line that a client may see.</param>
    /// <param name="details">The same with paths, for the operator; null when there are none.</param>
    public void EndWrites(string why, string? details = null) => Interlocked.CompareExchange(ref _ended, new(why, details ?? why), null);

    /// <summary>Throws <see cref="StoreReadOnlyException"/> when writes have ended.</summary>
    public void CheckWrites()
    {
        if (Ended is { } why) throw new StoreReadOnlyException(why);
    }

    /// <summary>Makes the content and the length of a file durable.</summary>
    /// <param name="path">Its name, for the log.</param>
    /// <exception cref="FlushFailedException">It may not be durable.</exception>
    public void Flush(SafeFileHandle file, string path) => Flush(FDataSync, file, "fdatasync", path);

    /// <summary>Makes the names in a folder durable.</summary>
    /// <exception cref="FlushFailedException">They may not be durable.</exception>
    /// <exception cref="IOException">The folder could not be opened; nothing was flushed.</exception>
    public void FlushFolder(string path)
    {
        using var folder = Posix.OpenFolder(path);
        Flush(FSync, folder, "fsync", path);
    }

    /// <summary>Makes everything durable that was written to the file system so far.</summary>
    /// <exception cref="FlushFailedException">Some of it may not be durable.</exception>
    public void FlushAll() => Flush(SyncFs, _folder, "syncfs", _path);

    public void Dispose() => _folder.Dispose();

    private void Flush(Call call, SafeFileHandle file, string name, string path)
    {
        CheckWrites();
        int error;
        do error = call(file) == 0 ? 0 : Marshal.GetLastPInvokeError();
        while (error == Interrupted);
        if (error == 0) return;
        var failure = new Win32Exception(error).Message;
        EndWrites($"a flush failed ({failure}); the volume accepts no writes until the gateway is restarted");
        Log.FlushFailed(_logger, name, path, failure);
        throw new FlushFailedException(Ended!);
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int FDataSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static partial int SyncFs(SafeFileHandle file);
}

/// <summary>A flush failed: the content of the disk is unknown until the volume is opened again.</summary>
internal sealed class FlushFailedException(string why) : StoreReadOnlyException(why);
