using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>The system calls that .NET does not offer: opening a folder, hard links, starting writeback, checking permissions.</summary>
internal static partial class Posix
{
    private const int ReadOnly = 0;
    private const int Directory = 0x10000; // O_DIRECTORY, linux/fcntl.h
    private const int CloseOnExec = 0x80000; // O_CLOEXEC
    private const int NotThere = 2; // ENOENT
    private const int FileExists = 17; // EEXIST
    private const int CrossDevice = 18; // EXDEV
    private const int NotPermitted = 1; // EPERM: the file system has no hard links
    private const int TooManyLinks = 31; // EMLINK

    /// <summary>Opens a folder, for a flush. Throws <see cref="IOException"/>.</summary>
    public static SafeFileHandle OpenFolder(string path)
    {
        var fd = Open(path, ReadOnly | Directory | CloseOnExec, 0);
        return fd >= 0 ? new(fd, ownsHandle: true) : throw Failure("open", path, Marshal.GetLastPInvokeError());
    }

    /// <summary>
    /// Why files cannot be created in a folder (a read-only mount, missing permissions), in the system's words; null when they can.
    /// </summary>
    public static string? WhyNotWritable(string path)
    {
        const int write = 2; // W_OK, unistd.h: also returns EROFS if a file system has turned read-only (access(2))
        return Access(path, write) == 0 ? null : new Win32Exception(Marshal.GetLastPInvokeError()).Message;
    }

    /// <summary>
    /// Creates a hard link; does nothing when the new name exists. False when the file system does not support hard links, or the file has
    /// too many. Throws <see cref="IOException"/> for any other failure.
    /// </summary>
    public static bool TryLink(string existing, string name)
    {
        if (Link(existing, name) == 0) return true;
        return Marshal.GetLastPInvokeError() switch
        {
            FileExists => true,
            NotThere => throw new FileNotFoundException($"{existing} does not exist; it was evicted a moment ago", existing),
            CrossDevice or NotPermitted or TooManyLinks => false,
            var error => throw Failure("link", name, error),
        };
    }

    /// <summary>
    /// Starts writeback of a range, so that a later flush of the file is short. Does nothing when the file system does not support it.
    /// </summary>
    public static void StartWriteback(SafeFileHandle file, long offset, long count)
    {
        const uint write = 2; // SYNC_FILE_RANGE_WRITE
        _ = SyncFileRange(file, offset, count, write);
    }

    /// <summary>
    /// Drops a file's bytes from the page cache where they are not in use, so that the next reading comes from the disk. Does nothing when
    /// the file system does not support it.
    /// </summary>
    public static void DropCached(SafeFileHandle file)
    {
        const int dontNeed = 4; // POSIX_FADV_DONTNEED, linux/fadvise.h
        _ = FileAdvise(file, 0, 0, dontNeed);
    }

    /// <summary>
    /// Reserves the blocks of a file's first <paramref name="count"/> bytes; its length stays. Throws <see cref="IOException"/> when the
    /// volume is full; does nothing when the file system cannot reserve.
    /// </summary>
    public static void Reserve(SafeFileHandle file, string path, long count)
    {
        const int keepSize = 1; // FALLOC_FL_KEEP_SIZE, linux/falloc.h
        if (count <= 0 || Fallocate(file, keepSize, 0, count) == 0) return;
        var failure = Failure("fallocate", path, Marshal.GetLastPInvokeError());
        if (SaysFull(failure)) throw failure;
    }

    /// <summary>Whether an I/O failure means that the volume is full (ENOSPC, EDQUOT).</summary>
    public static bool SaysFull(IOException failure) =>
        (failure.HResult & 0xFFFF) is 28 or 122 || failure.HResult == unchecked((int)0x80070070);

    private static IOException Failure(string call, string path, int error) =>
        new($"{call} {path}: {new Win32Exception(error).Message}", error);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    private static partial int SyncFileRange(SafeFileHandle fd, long offset, long count, uint flags);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int FileAdvise(SafeFileHandle fd, long offset, long count, int advice);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Fallocate(SafeFileHandle fd, int mode, long offset, long count);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string name);
}
