using System.Text;

namespace Gateway.Storage;

/// <summary>
/// When content was first seen in one repository: an append-only file with one line per digest, read on first use. The first line of a
/// digest counts.
/// </summary>
internal sealed class SeenTimes(string file)
{
    private readonly Lock _lock = new();
    private Dictionary<Digest, DateTimeOffset>? _times;

    /// <summary>When some content was first seen; null when that was not noted.</summary>
    public DateTimeOffset? Of(Digest digest)
    {
        lock (_lock)
        {
            return (_times ??= Read()).TryGetValue(digest, out var at) ? at : null;
        }
    }

    /// <summary>Notes a time; a later time for the same digest has no effect.</summary>
    /// <param name="again">Whether to write it even when the file has it: a replay must not trust content that was not flushed.</param>
    public void Note(Digest digest, DateTimeOffset at, bool again = false)
    {
        lock (_lock)
        {
            _times ??= Read();
            if (_times.ContainsKey(digest) && !again) return;
            // A line break on both sides, so that a line torn by a power cut remains a separate line.
            Append(Encoding.ASCII.GetBytes($"\n{digest} {UnixTime.Format(at)}\n"));
            _times[digest] = DateTimeOffset.FromUnixTimeMilliseconds(at.ToUnixTimeMilliseconds());
        }
    }

    private void Append(byte[] line)
    {
        if (Posix.TryAppend(file, line)) return;
        try
        {
            if (Disk.IsLink(file)) ReplaceLink();
            File.AppendAllBytes(file, line);
        }
        catch (DirectoryNotFoundException)
        {
            // The first of the repository, or a collection removed the empty folder.
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.AppendAllBytes(file, line);
        }
    }

    // An append must not follow a symbolic link out of the volume.
    private void ReplaceLink()
    {
        File.Copy(file, $"{file}.new", overwrite: true);
        File.Move($"{file}.new", file, overwrite: true);
    }

    private Dictionary<Digest, DateTimeOffset> Read() => Parse(Disk.Text(file) ?? "");

    /// <summary>The times of a file that was read.</summary>
    public static Dictionary<Digest, DateTimeOffset> Parse(string text)
    {
        var times = new Dictionary<Digest, DateTimeOffset>();
        // A line without a line break may be torn.
        foreach (var line in text[..(text.LastIndexOf('\n') + 1)].Split('\n'))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space > 0 && Digest.TryParse(line.AsSpan(0, space), out var digest)
                && UnixTime.TryParse(line.AsSpan(space + 1), out var at))
                times.TryAdd(digest, at);
        }
        return times;
    }
}
