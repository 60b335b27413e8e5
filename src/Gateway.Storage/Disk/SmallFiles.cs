using System.Text;

namespace Gateway.Storage;

/// <summary>
/// Small files that are written whole. They are written under a temporary name first, so that a kill leaves either the old or the new file.
/// </summary>
internal sealed class SmallFiles(string temporaryFolder, Durability durability)
{
    /// <summary>
    /// The longest link in bytes: <c>sha512:</c> and 128 characters, with room for the newline that other programs may add.
    /// </summary>
    private const int MaxLinkBytes = 256;

    private long _number;

    /// <summary>A new name in the folder for temporary files.</summary>
    public string Temporary() => $"{temporaryFolder}/{Interlocked.Increment(ref _number)}";

    /// <summary>Writes a file whole; creates its folder if missing.</summary>
    /// <param name="flush">Whether its content is durable before it gets its name; the name is not flushed.</param>
    /// <param name="writtenAt">The modification time of the file; null for now.</param>
    public void Write(string path, ReadOnlySpan<byte> content, bool flush = false, DateTimeOffset? writtenAt = null)
    {
        if (!flush && TryWriteNew(path, content, writtenAt)) return;
        var temporary = Temporary();
        using (var file = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write))
        {
            RandomAccess.Write(file, content, 0);
            if (writtenAt is { } at) File.SetLastWriteTimeUtc(file, at.UtcDateTime);
            if (flush) durability.Flush(file, temporary);
        }
        Move(temporary, path);
    }

    /// <summary>
    /// Writes a file whose folder is missing, and must be created with it; so there is no such file yet. False when the folder exists, and
    /// when this way of writing fails: <see cref="Write"/> then writes the file, or says why it cannot.
    /// </summary>
    /// <param name="writtenAt">See <see cref="Write"/>.</param>
    public static bool TryWriteNew(string path, ReadOnlySpan<byte> content, DateTimeOffset? writtenAt = null)
    {
        var folder = Path.GetDirectoryName(path)!;
        return Posix.TryMakeFolder(folder) && Posix.TryWriteNew(folder, path, content, writtenAt);
    }

    /// <summary>
    /// Creates a hard link to a file, or a flushed copy if the file system does not support hard links. Does nothing when the new name
    /// exists.
    /// </summary>
    public void LinkOrCopy(string existing, string name)
    {
        if (Posix.TryLink(existing, name)) return;
        var temporary = Temporary();
        File.Copy(existing, temporary, overwrite: true);
        using (var copy = File.OpenHandle(temporary, access: FileAccess.ReadWrite)) durability.Flush(copy, temporary);
        File.Move(temporary, name, overwrite: true);
    }

    /// <summary>Writes a link: the digest and nothing else, as distribution does.</summary>
    /// <param name="writtenAt">See <see cref="Write"/>.</param>
    public void WriteLink(string path, Digest digest, DateTimeOffset? writtenAt = null)
    {
        try
        {
            Write(path, Content(digest), writtenAt: writtenAt);
        }
        catch (IOException) when (ReadLink(path) == digest)
        {
            // A replay on a volume that has no room for another file: the link was written before the stop.
        }
    }

    /// <summary>Writes a link whose folder is missing; see <see cref="TryWriteNew"/>.</summary>
    /// <param name="writtenAt">See <see cref="Write"/>.</param>
    public static bool TryWriteNewLink(string path, Digest digest, DateTimeOffset writtenAt) =>
        TryWriteNew(path, Content(digest), writtenAt);

    private static byte[] Content(Digest digest) => Encoding.ASCII.GetBytes(digest.ToString());

    /// <summary>Moves a file to its place and replaces any existing file; creates its folder if missing.</summary>
    public static void Move(string from, string to)
    {
        // Checked first: an exception for each new folder would cost more than the rest of this method.
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        try
        {
            File.Move(from, to, overwrite: true);
        }
        catch (DirectoryNotFoundException)
        {
            // A collection removed the empty folder in between.
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Move(from, to, overwrite: true);
        }
    }

    /// <summary>Reads a link; empty when there is none, or when it contains no digest (an interrupted write of another program).</summary>
    public static Digest ReadLink(string path)
    {
        using var file = Disk.Open(path);
        if (file is null) return default;
        Span<byte> bytes = stackalloc byte[MaxLinkBytes];
        var count = RandomAccess.Read(file, bytes, 0);
        Span<char> text = stackalloc char[MaxLinkBytes];
        var length = Encoding.ASCII.GetChars(bytes[..count], text);
        return Digest.TryParse(text[..length].TrimEnd('\n'), out var digest) ? digest : default;
    }
}
