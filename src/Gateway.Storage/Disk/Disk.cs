using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// The volume could not be read, so it is unknown whether the content exists. The HTTP face answers 503, no upstream is asked, and nothing
/// is cached. The message names the path and is for the log only.
/// </summary>
public sealed class UnreadableException(string message, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>Whether this process, or the system, has no free file descriptor (EMFILE, ENFILE).</summary>
    public bool IsForWantOfDescriptors => InnerException?.HResult is 24 or 23;
}

/// <summary>The facts that stat(2) returns for a path or an open file.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="Names">Hard links; 0 for an open file whose last name was removed.</param>
/// <param name="Written">Time of the last change of the content.</param>
internal readonly record struct FileFacts(bool IsFolder, long Length, uint Names, DateTimeOffset Written);

/// <summary>
/// The only place where storage checks whether something exists. "Does not exist" (ENOENT, ENOTDIR) is an answer. Every other failure (EIO,
/// EACCES, EMFILE, ELOOP, …) throws <see cref="UnreadableException"/>; <see cref="File.Exists"/> and similar methods return false for both.
/// </summary>
internal static partial class Disk
{
    private const int NotThere = 2; // ENOENT
    private const int NoFolder = 20; // ENOTDIR: a parent of the path is a file
    private const int Cwd = -100; // AT_FDCWD
    private const int Special = -1; // not a system error: neither a file nor a folder
    private const int MaxErrno = 4096; // MAX_ERRNO, include/linux/err.h

    private static readonly EnumerationOptions Below = new()
    {
        RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = false,
    };

    /// <summary>The largest number of bytes of a small file that is read whole: twice a million lines of first-seen times.</summary>
    public const long MaxTextBytes = 256 << 20;

    /// <summary>
    /// The facts about a path, following symbolic links; null when nothing exists there. A named pipe, socket or device throws <see
    /// cref="UnreadableException"/>: opening it could block forever, and reading it might not end.
    /// </summary>
    public static FileFacts? Find(string path) => Facts(Cwd, path, flags: 0) switch
    {
        (_, Special) => throw Unreadable(path, "expected a file or folder, got a named pipe, socket or device; remove it", null),
        (var facts, 0) => facts,
        (_, NotThere or NoFolder) => null,
        (_, var error) => throw Unreadable(path, Marshal.GetPInvokeErrorMessage(error), null),
    };

    /// <summary>The current facts about an open file.</summary>
    public static FileFacts Find(SafeFileHandle file)
    {
        const int EmptyPath = 0x1000; // AT_EMPTY_PATH
        var (facts, error) = Facts((int)file.DangerousGetHandle(), "", EmptyPath);
        return error == 0 ? facts : throw Unreadable("an open file", Marshal.GetPInvokeErrorMessage(error), null);
    }

    public static bool HasFile(string path) => Find(path) is { IsFolder: false };

    public static bool HasFolder(string path) => Find(path) is { IsFolder: true };

    /// <summary>The length of a file in bytes; null when it does not exist.</summary>
    public static long? LengthOf(string path) => Find(path) is { IsFolder: false, Length: var length } ? length : null;

    /// <summary>Opens a file for reading; null when it does not exist.</summary>
    public static SafeFileHandle? Open(string path, FileOptions options = FileOptions.None) =>
        // Checks first: every push of new content asks for absent files, and an exception costs more than a check.
        HasFile(path) ? Read(path, () => File.OpenHandle(path, options: options)) : null;

    /// <summary>The whole text of a file; null when it does not exist. For the small files that the gateway itself writes.</summary>
    public static string? Text(string path) => LengthOf(path) switch
    {
        null => null,
        <= MaxTextBytes => Read(path, () => File.ReadAllText(path)),
        var length => throw Unreadable(path, $"expected at most {MaxTextBytes} bytes, got {length}; restore or remove the file", null),
    };

    /// <summary>
    /// The bytes of a file; null when it does not exist. Throws <see cref="UnreadableException"/> when it has more than <paramref
    /// name="most"/>.
    /// </summary>
    public static byte[]? Bytes(string path, long most) => LengthOf(path) is not { } length ? null
        : length <= most ? Read(path, () => File.ReadAllBytes(path))
        : throw Unreadable(path, $"expected at most {most} bytes, got {length}; restore or remove the file", null);

    /// <summary>The paths of the files of a folder, in no order; empty when the folder does not exist.</summary>
    public static IEnumerable<string> FilesIn(string folder) => In(folder, Directory.EnumerateFiles);

    /// <summary>The paths of the folders of a folder, in no order; empty when the folder does not exist.</summary>
    public static IEnumerable<string> FoldersIn(string folder) => In(folder, Directory.EnumerateDirectories);

    /// <summary>
    /// The paths of the files of this name in a folder and in all folders below it, without symbolic links; empty when the folder does not
    /// exist.
    /// </summary>
    public static IEnumerable<string> FilesBelow(string folder, string name) =>
        In(folder, path => Directory.EnumerateFiles(path, name, Below));

    /// <summary>
    /// Whether a walk that began at <paramref name="top"/> enters a folder. A symbolic link is followed only when the path to it contains
    /// none. So links in a ring, or two that each point to their own parent (2^40 paths, path_resolution(7)), end a walk after one turn.
    /// </summary>
    public static bool IsWalked(string folder, string top)
    {
        if (!IsLink(folder)) return true;
        while ((folder = Path.GetDirectoryName(folder)!).Length > top.Length)
        {
            if (IsLink(folder)) return false;
        }
        return true;
    }

    /// <summary>
    /// Whether the name is a symbolic link, whatever its target. A file that the gateway overwrites or appends to must not be one: the
    /// bytes would be written to a file outside the volume.
    /// </summary>
    public static bool IsLink(string path)
    {
        const int NoFollow = 0x100; // AT_SYMLINK_NOFOLLOW
        return Facts(Cwd, path, NoFollow).Error == Special;
    }

    /// <summary>Removes a symbolic link at the path of a file that is about to be written.</summary>
    public static void RemoveLink(string path)
    {
        if (IsLink(path)) File.Delete(path);
    }

    /// <summary>Removes a file that nothing needs. If that fails, the file stays, and the next start removes or ignores it.</summary>
    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nothing depends on the removal.
        }
    }

    private static IEnumerable<string> In(string folder, Func<string, IEnumerable<string>> list)
    {
        if (!HasFolder(folder)) yield break;
        using var entries = Read(folder, () => list(folder).GetEnumerator());
        if (entries is null) yield break;
        Func<bool> next = entries.MoveNext;
        while (Read<bool?>(folder, () => next()) == true) yield return entries.Current;
    }

    /// <summary>Reads something that existed a moment ago; returns the default of its type when it has been removed since.</summary>
    private static T? Read<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return default;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e.Message, e);
        }
    }

    private static UnreadableException Unreadable(string path, string why, Exception? inner) => new($"cannot read {path}: {why}", inner);

    /// <summary>
    /// Why a file operation failed, in the system's words and without a path, so that a client may see it. The runtime's own messages name
    /// the path; they are for the log and the operator.
    /// </summary>
    public static string WhyOf(Exception failure) => failure switch
    {
        StoreReadOnlyException => failure.Message,
        BucketException bucket => bucket.ForClients,
        // EACCES and EPERM. The runtime stores the system's error as the cause.
        UnauthorizedAccessException => failure.InnerException is { } cause ? WhyOf(cause) : "Permission denied",
        FileNotFoundException or DirectoryNotFoundException => Marshal.GetPInvokeErrorMessage(NotThere),
        UnreadableException { InnerException: { } cause } => WhyOf(cause),
        // On Linux, the HResult of an IOException is the system's error number (errno).
        IOException { HResult: > 0 and < MaxErrno and var error } => Marshal.GetPInvokeErrorMessage(error),
        _ => "the gateway's log has the reason",
    };

    private static unsafe (FileFacts Facts, int Error) Facts(int folder, string path, int flags)
    {
        // struct statx has the same layout on every architecture (statx(2)).
        const int Size = 256, Links = 0x10, Mode = 0x1C, Bytes = 0x28, Modified = 0x70;
        const uint Wanted = 0x1 | 0x4 | 0x40 | 0x200; // STATX_TYPE, STATX_NLINK, STATX_MTIME, STATX_SIZE
        const int Kind = 0xF000, Folder = 0x4000, File = 0x8000; // S_IFMT, S_IFDIR, S_IFREG
        var found = stackalloc byte[Size];
        if (StatX(folder, path, flags, Wanted, found) != 0) return (default, Marshal.GetLastPInvokeError());
        var written = DateTimeOffset.FromUnixTimeSeconds(*(long*)(found + Modified))
            .AddTicks(*(uint*)(found + Modified + sizeof(long)) / TimeSpan.NanosecondsPerTick);
        var kind = *(ushort*)(found + Mode) & Kind;
        return (new(kind == Folder, *(long*)(found + Bytes), *(uint*)(found + Links), written), kind is Folder or File ? 0 : Special);
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatX(int folder, string path, int flags, uint mask, byte* found);
}
