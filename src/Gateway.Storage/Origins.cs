using System.Text;

namespace Gateway.Storage;

/// <summary>
/// The folder of each upstream's links. A link says that this upstream vouched for some content. When the same key gets other addresses, it
/// is another upstream, and its links start empty. The bytes are shared, so nothing is fetched again for that.
/// </summary>
public sealed class Origins
{
    // An upstream has a few addresses and rarely others; a file that is longer was not written here.
    private const int MaxBytes = 1 << 20;

    private readonly string _folder;
    private readonly SmallFiles _files;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();

    internal Origins(string folder, SmallFiles files, ILogger logger) => (_folder, _files, _logger) = (folder, files, logger);

    /// <summary>
    /// The folder for these addresses of an upstream. Addresses that share one with those noted last are the same registry, by the
    /// operator's own word, and take their place.
    /// </summary>
    public string FolderOf(string upstream, IEnumerable<Uri> urls)
    {
        var name = upstream.Replace(':', '_');
        string[] now = [.. urls.Select(u => u.AbsoluteUri).Order(StringComparer.Ordinal)];
        lock (_gate)
        {
            var noted = Read(name);
            var at = noted.FindIndex(n => n.Intersect(now, StringComparer.Ordinal).Any());
            if (at < 0)
            {
                at = noted.Count;
                noted.Add(now);
                Write(name, noted);
            }
            else if (!noted[at].SequenceEqual(now, StringComparer.Ordinal))
            {
                noted[at] = now;
                Write(name, noted);
            }
            // What was cached before there were notes lies under the bare name. No key has an @.
            return at == 0 ? name : $"{name}@{at + 1}";
        }
    }

    private List<string[]> Read(string name)
    {
        var path = $"{_folder}/{name}";
        if (Disk.LengthOf(path) is not (> 0 and <= MaxBytes) || Disk.Text(path) is not { } text) return [];
        return [.. text.Split('\n').Where(l => l.Length > 0).Select(l => l.Split(' '))];
    }

    // A full or read-only volume takes no note: then the next start finds the same folder by the same rule, unless the addresses change
    // once more.
    private void Write(string name, List<string[]> noted)
    {
        try
        {
            var text = string.Concat(noted.Select(n => string.Join(' ', n) + "\n"));
            _files.Write($"{_folder}/{name}", Encoding.UTF8.GetBytes(text), flush: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.OriginNotNoted(_logger, e);
        }
    }
}
