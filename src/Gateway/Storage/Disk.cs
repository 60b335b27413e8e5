using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// The volume could not be read: neither "it is there" nor "it is not there" is known. The face answers 503, no upstream is asked, and
/// nothing is remembered. The message names the path and is for the log only.
/// </summary>
internal sealed class UnreadableException(string message, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>Whether this process, or the system, has no descriptor left (EMFILE, ENFILE).</summary>
    public bool IsForWantOfDescriptors => InnerException?.HResult is 24 or 23;
}

/// <summary>What stat(2) says of a path or an open file.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="Names">Hard links; 0 for an open file whose last name was removed.</param>
/// <param name="Written">Time of the last change of the content.</param>
internal readonly record struct FileFacts(bool IsFolder, long Length, uint Names, DateTimeOffset Written);

/// <summary>
/// The one place where storage looks whether something exists. "It is not there" (ENOENT, ENOTDIR) is an answer. Every other failure (EIO,
/// EACCES, EMFILE, ELOOP, …) is an <see cref="UnreadableException"/>: <see cref="File.Exists"/> and its like return false for both.
/// </summary>
internal static partial class Disk
{
    private const int NotThere = 2; // ENOENT
    private const int NoFolder = 20; // ENOTDIR: a parent of the path is a file
    private const int Cwd = -100; // AT_FDCWD

    /// <summary>What is at a path, following symbolic links; null when nothing is.</summary>
    public static FileFacts? Find(string path) => Facts(Cwd, path, flags: 0) switch
    {
        (var facts, 0) => facts,
        (_, NotThere or NoFolder) => null,
        (_, var error) => throw Unreadable(path, Marshal.GetPInvokeErrorMessage(error), null),
    };

    /// <summary>What an open file has now.</summary>
    public static FileFacts Find(SafeFileHandle file)
    {
        const int EmptyPath = 0x1000; // AT_EMPTY_PATH
        var (facts, error) = Facts((int)file.DangerousGetHandle(), "", EmptyPath);
        return error == 0 ? facts : throw Unreadable("an open file", Marshal.GetPInvokeErrorMessage(error), null);
    }

    public static bool HasFile(string path) => Find(path) is { IsFolder: false };

    public static bool HasFolder(string path) => Find(path) is { IsFolder: true };

    /// <summary>Length of a file in bytes; null when it is not there.</summary>
    public static long? LengthOf(string path) => Find(path) is { IsFolder: false, Length: var length } ? length : null;

    /// <summary>Opens a file for reading; null when it is not there.</summary>
    public static SafeFileHandle? Open(string path, FileOptions options = FileOptions.None) =>
        // Looked for first: what is absent is asked for with every push of something new, and an exception costs more than a look.
        HasFile(path) ? Read(path, () => File.OpenHandle(path, options: options)) : null;

    /// <summary>A file's whole text; null when it is not there. For the small files that the gateway itself writes.</summary>
    public static string? Text(string path) => HasFile(path) ? Read(path, () => File.ReadAllText(path)) : null;

    /// <summary>The paths of the files of a folder, in no order; none when the folder is not there.</summary>
    public static IEnumerable<string> FilesIn(string folder) => In(folder, Directory.EnumerateFiles);

    /// <summary>The paths of the folders of a folder, in no order; none when the folder is not there.</summary>
    public static IEnumerable<string> FoldersIn(string folder) => In(folder, Directory.EnumerateDirectories);

    /// <summary>The paths of the files of this name in a folder and in all folders below it; none when the folder is not there.</summary>
    public static IEnumerable<string> FilesBelow(string folder, string name) =>
        In(folder, path => Directory.EnumerateFiles(path, name, SearchOption.AllDirectories));

    private static IEnumerable<string> In(string folder, Func<string, IEnumerable<string>> list)
    {
        if (!HasFolder(folder)) yield break;
        using var entries = Read(folder, () => list(folder).GetEnumerator());
        if (entries is null) yield break;
        Func<bool> next = entries.MoveNext;
        while (Read<bool?>(folder, () => next()) == true) yield return entries.Current;
    }

    /// <summary>Reads something that was there a moment ago; the default of its type when it was removed since.</summary>
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

    private static unsafe (FileFacts Facts, int Error) Facts(int folder, string path, int flags)
    {
        // struct statx has the same layout on every architecture (statx(2)).
        const int Size = 256, Links = 0x10, Mode = 0x1C, Bytes = 0x28, Modified = 0x70;
        const uint Wanted = 0x1 | 0x4 | 0x40 | 0x200; // STATX_TYPE, STATX_NLINK, STATX_MTIME, STATX_SIZE
        const int Kind = 0xF000, Folder = 0x4000; // S_IFMT, S_IFDIR
        var found = stackalloc byte[Size];
        if (StatX(folder, path, flags, Wanted, found) != 0) return (default, Marshal.GetLastPInvokeError());
        var written = DateTimeOffset.FromUnixTimeSeconds(*(long*)(found + Modified))
            .AddTicks(*(uint*)(found + Modified + sizeof(long)) / TimeSpan.NanosecondsPerTick);
        return (new((*(ushort*)(found + Mode) & Kind) == Folder, *(long*)(found + Bytes), *(uint*)(found + Links), written), 0);
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatX(int folder, string path, int flags, uint mask, byte* found);
}
