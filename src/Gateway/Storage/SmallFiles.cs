using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Small files written whole: under a temporary name first, so that a kill leaves the old one or the new one and nothing between.
/// </summary>
internal sealed class SmallFiles(string temporaryFolder)
{
    /// <summary>Longest link: <c>sha512:</c> and 128 characters, with room for the newline that other programs may add.</summary>
    private const int MaxLinkBytes = 256;

    private long _number;

    /// <summary>A name of its own in the folder for temporary files.</summary>
    public string Temporary() => $"{temporaryFolder}/{Interlocked.Increment(ref _number)}";

    /// <summary>Writes a file whole, unflushed; its folder is made where it is missing.</summary>
    public void Write(string path, ReadOnlySpan<byte> content, bool flush = false)
    {
        var temporary = Temporary();
        using (var file = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write))
        {
            RandomAccess.Write(file, content, 0);
            if (flush) RandomAccess.FlushToDisk(file);
        }
        Move(temporary, path);
    }

    /// <summary>Writes a link: the digest and nothing else, as distribution does.</summary>
    public void WriteLink(string path, Digest digest)
    {
        try
        {
            Write(path, Encoding.ASCII.GetBytes(digest.ToString()));
        }
        catch (IOException) when (ReadLink(path) == digest)
        {
            // Replayed on a volume without room for another: it was written before the stop.
        }
    }

    /// <summary>Moves a file to its place over whatever is there; its folder is made where it is missing.</summary>
    public static void Move(string from, string to)
    {
        // Asked first: an exception for each new folder would cost more than all else here.
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        File.Move(from, to, overwrite: true);
    }

    /// <summary>Reads a link; empty when there is none, or none that says a digest (an interrupted write of another program).</summary>
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
