using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>The system calls that .NET does not offer: opening a folder, hard links, starting writeback, asking for rights.</summary>
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

    /// <summary>Opens a folder, to be flushed. Throws <see cref="IOException"/>.</summary>
    public static SafeFileHandle OpenFolder(string path)
    {
        var fd = Open(path, ReadOnly | Directory | CloseOnExec, 0);
        return fd >= 0 ? new(fd, ownsHandle: true) : throw Failure("open", path, Marshal.GetLastPInvokeError());
    }

    /// <summary>Why a folder takes no new files (a read-only mount, missing rights), in the system's words; null when it does.</summary>
    public static string? WhyNotWritable(string path)
    {
        const int write = 2; // W_OK, unistd.h: also says EROFS of a file system that has turned read-only (access(2))
        return Access(path, write) == 0 ? null : new Win32Exception(Marshal.GetLastPInvokeError()).Message;
    }

    /// <summary>
    /// Gives a file a second name; one that is there already is left alone. False where the file system has no such names, or no more.
    /// Throws <see cref="IOException"/> on any other failure.
    /// </summary>
    public static bool TryLink(string existing, string name)
    {
        if (Link(existing, name) == 0) return true;
        return Marshal.GetLastPInvokeError() switch
        {
            FileExists => true,
            NotThere => throw new FileNotFoundException($"{existing} was evicted just now", existing),
            CrossDevice or NotPermitted or TooManyLinks => false,
            var error => throw Failure("link", name, error),
        };
    }

    /// <summary>
    /// Starts writing back what was written to a range, so that a later flush of the file has little left to do; a file system that cannot
    /// is left alone.
    /// </summary>
    public static void StartWriteback(SafeFileHandle file, long offset, long count)
    {
        const uint write = 2; // SYNC_FILE_RANGE_WRITE
        _ = SyncFileRange(file, offset, count, write);
    }

    /// <summary>Whether an I/O failure says that the volume is full (ENOSPC, EDQUOT).</summary>
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

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string name);
}
