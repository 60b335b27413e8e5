using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// The system calls that .NET does not offer, or only together with others: opening a folder, hard links, starting writeback, checking
/// permissions, new files that no process sees before they are whole.
/// </summary>
internal static partial class Posix
{
    private const int ReadOnly = 0;
    private const int CloseOnExec = 0x80000; // O_CLOEXEC
    private const int WriteOnly = 1; // O_WRONLY
    private const int Create = 0x40; // O_CREAT
    private const int Append = 0x400; // O_APPEND
    private const int NonBlocking = 0x800; // O_NONBLOCK: a named pipe fails at once
    private const int AnyFile = 0x1B6; // 0666, before the umask
    private const int AnyFolder = 0x1FF; // 0777, before the umask
    private const int Cwd = -100; // AT_FDCWD
    private const int NotThere = 2; // ENOENT
    private const int FileExists = 17; // EEXIST
    private const int CrossDevice = 18; // EXDEV
    private const int NotPermitted = 1; // EPERM: the file system has no hard links
    private const int TooManyLinks = 31; // EMLINK

    // asm/fcntl.h: two flags have other numbers on arm64. 0x10000 is O_DIRECT there.
    private static readonly bool IsArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
    private static readonly int Directory = IsArm ? 0x4000 : 0x10000; // O_DIRECTORY
    private static readonly int NoFollow = IsArm ? 0x8000 : 0x20000; // O_NOFOLLOW
    private static readonly int Unnamed = 0x400000 | Directory; // O_TMPFILE

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
    /// Creates a folder, and the folders above it that are missing. True when this call created it; false when the name exists, and for
    /// any failure.
    /// </summary>
    public static bool TryMakeFolder(string path)
    {
        if (MakeDirectory(path, AnyFolder) == 0) return true;
        if (Marshal.GetLastPInvokeError() != NotThere || Path.GetDirectoryName(path) is not { } above) return false;
        TryMakeFolder(above);
        return MakeDirectory(path, AnyFolder) == 0;
    }

    /// <summary>
    /// Creates a file that gets its name when it is whole: five system calls, where a temporary name needs eight. False when the name
    /// exists, and for any failure, such as a file system that does not support it; nothing remains then.
    /// </summary>
    /// <param name="folder">The folder of <paramref name="path"/>.</param>
    /// <param name="writtenAt">The modification time of the file; null for now.</param>
    public static unsafe bool TryWriteNew(string folder, string path, ReadOnlySpan<byte> content, DateTimeOffset? writtenAt)
    {
        const int emptyPath = 0x1000, follow = 0x400; // AT_EMPTY_PATH, AT_SYMLINK_FOLLOW
        const long unchanged = 0x3FFFFFFE; // UTIME_OMIT
        var fd = Open(folder, WriteOnly | Unnamed | CloseOnExec, AnyFile);
        if (fd < 0) return false;
        try
        {
            if (!WriteWhole(fd, content)) return false;
            if (writtenAt is { } at)
            {
                var ticks = (at - DateTimeOffset.UnixEpoch).Ticks;
                var (seconds, rest) = (Math.DivRem(ticks, TimeSpan.TicksPerSecond, out var remainder), remainder);
                var times = stackalloc long[] { 0, unchanged, seconds, rest * TimeSpan.NanosecondsPerTick };
                if (SetTimes(fd, times) != 0) return false;
            }
            // The first form needs a right, or Linux 6.10; the second needs /proc.
            return LinkAt(fd, "", Cwd, path, emptyPath) == 0 || LinkAt(Cwd, $"/proc/self/fd/{fd}", Cwd, path, follow) == 0;
        }
        finally
        {
            _ = Close(fd);
        }
    }

    /// <summary>
    /// Appends to a file, which is created if it is missing. False when the name is a symbolic link, its folder is missing, or for any
    /// other failure.
    /// </summary>
    public static bool TryAppend(string path, ReadOnlySpan<byte> content)
    {
        var fd = Open(path, WriteOnly | Create | Append | NoFollow | NonBlocking | CloseOnExec, AnyFile);
        if (fd < 0) return false;
        var isWhole = WriteWhole(fd, content);
        _ = Close(fd);
        return isWhole;
    }

    private static unsafe bool WriteWhole(int fd, ReadOnlySpan<byte> content)
    {
        fixed (byte* bytes = content) return Write(fd, bytes, content.Length) == content.Length;
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

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "write")]
    private static unsafe partial nint Write(int fd, byte* bytes, nint count);

    [LibraryImport("libc", EntryPoint = "futimens")]
    private static unsafe partial int SetTimes(int fd, long* times);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeDirectory(string path, int mode);

    [LibraryImport("libc", EntryPoint = "linkat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LinkAt(int from, string existing, int to, string name, int flags);

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
