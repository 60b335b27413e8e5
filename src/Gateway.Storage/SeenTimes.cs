using System.Text;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// When content was first seen in one repository: a file that is only appended to, a line each, read on first use. The first line of a
/// digest counts.
/// </summary>
internal sealed class SeenTimes
{
    private readonly Lock _lock = new();
    private Dictionary<Digest, DateTimeOffset>? _times;

    public DateTimeOffset? Of(string file, Digest digest)
    {
        lock (_lock)
        {
            return (_times ??= Read(file)).TryGetValue(digest, out var at) ? at : null;
        }
    }

    /// <summary>Notes a time; a later one of the same digest changes nothing.</summary>
    /// <param name="again">Whether it is written even where the file has it: a replay must not trust what is not flushed.</param>
    public void Note(string file, Digest digest, DateTimeOffset at, bool again = false)
    {
        lock (_lock)
        {
            _times ??= Read(file);
            if (_times.ContainsKey(digest) && !again) return;
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            if (Disk.IsLink(file)) ReplaceLink(file);
            // A line break on both sides: what a power cut left of the line before stays a line of its own.
            File.AppendAllText(file, $"\n{digest} {UnixTime.Format(at)}\n", Encoding.ASCII);
            _times[digest] = DateTimeOffset.FromUnixTimeMilliseconds(at.ToUnixTimeMilliseconds());
        }
    }

    // What is appended must not go out of the volume.
    private static void ReplaceLink(string file)
    {
        File.Copy(file, $"{file}.new", overwrite: true);
        File.Move($"{file}.new", file, overwrite: true);
    }

    private static Dictionary<Digest, DateTimeOffset> Read(string file)
    {
        var times = new Dictionary<Digest, DateTimeOffset>();
        if (Disk.Text(file) is not { } text) return times;
        // What has no end may be torn.
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
