using System.Text;

namespace Gateway.Storage;

/// <summary>Reads the lines of a file from its end, a block at a time.</summary>
internal static class BackwardLines
{
    // Some hundred lines. A longer line than this is skipped.
    private const int Block = 64 * 1024;

    /// <summary>The lines of a UTF-8 file, the last one first; none when there is no such file.</summary>
    public static IEnumerable<string> Of(string path)
    {
        using var file = Disk.Open(path);
        if (file is null) yield break;
        var buffer = new byte[Block];
        // The bytes before this place are not read yet.
        for (var end = RandomAccess.GetLength(file); end > 0;)
        {
            var start = Math.Max(0, end - Block);
            var count = Read(file, buffer.AsSpan(0, (int)(end - start)), start);
            // A line that begins before the block is read with the block before it.
            var cut = start == 0 ? 0 : buffer.AsSpan(0, count).IndexOf((byte)'\n') + 1;
            end = start + cut;
            if (start > 0 && (cut == 0 || cut == count))
            {
                end = start;
                continue;
            }
            foreach (var line in Encoding.UTF8.GetString(buffer, cut, count - cut).Split('\n').Reverse())
            {
                if (line.Length > 0) yield return line;
            }
        }
    }

    private static int Read(Microsoft.Win32.SafeHandles.SafeFileHandle file, Span<byte> into, long at)
    {
        var done = 0;
        while (done < into.Length && RandomAccess.Read(file, into[done..], at + done) is var read and > 0) done += read;
        return done;
    }
}
