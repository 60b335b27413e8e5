using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>The calls that .NET has no words for: flushing a folder or a whole file system, hard links, and room left.</summary>
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

    /// <summary>Makes the entries of a folder durable (fsync on the folder).</summary>
    public static void FlushFolder(string path)
    {
        var fd = OpenFolder(path);
        try { Check(FSync(fd), "fsync", path); }
        finally { _ = Close(fd); }
    }

    /// <summary>Makes everything written to the file system of this folder durable (syncfs(2)).</summary>
    public static void FlushFileSystem(string path)
    {
        var fd = OpenFolder(path);
        try { Check(SyncFs(fd), "syncfs", path); }
        finally { _ = Close(fd); }
    }

    /// <summary>Gives a file a second name; copies it where the file system cannot. A name that is there already is left alone.</summary>
    public static void LinkOrCopy(string existing, string name, string temporary)
    {
        if (Link(existing, name) == 0) return;
        var error = Marshal.GetLastPInvokeError();
        if (error == FileExists) return;
        if (error == NotThere) throw new FileNotFoundException($"{existing} was evicted just now", existing);
        if (error is not (CrossDevice or NotPermitted or TooManyLinks)) throw Failure("link", name, error);
        File.Copy(existing, temporary, overwrite: true);
        using (var copy = File.OpenHandle(temporary, access: FileAccess.ReadWrite)) RandomAccess.FlushToDisk(copy);
        File.Move(temporary, name, overwrite: true);
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

    private static int OpenFolder(string path)
    {
        var fd = Open(path, ReadOnly | Directory | CloseOnExec, 0);
        return fd >= 0 ? fd : throw Failure("open", path, Marshal.GetLastPInvokeError());
    }

    private static void Check(int result, string call, string path)
    {
        if (result != 0) throw Failure(call, path, Marshal.GetLastPInvokeError());
    }

    private static IOException Failure(string call, string path, int error) =>
        new($"{call} {path}: {new Win32Exception(error).Message}", error);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int fd);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static partial int SyncFs(int fd);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    private static partial int SyncFileRange(SafeFileHandle fd, long offset, long count, uint flags);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string name);
}
