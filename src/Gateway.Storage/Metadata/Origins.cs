using System.Text;

namespace Gateway.Storage;

/// <summary>
/// The folder of each upstream's links. A link says that this upstream vouched for some content. If a key gets other addresses, it is
/// another upstream, and its links start empty. The bytes are shared, so no content is fetched again.
/// </summary>
public sealed class Origins
{
    // An upstream has a few addresses, and they rarely change; a longer file was not written by the gateway.
    private const int MaxBytes = 1 << 20;

    private readonly string _folder;
    private readonly SmallFiles _files;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();

    internal Origins(string folder, SmallFiles files, ILogger logger) => (_folder, _files, _logger) = (folder, files, logger);

    /// <summary>
    /// The folder for these addresses of an upstream. If they include one of the latest stored addresses, the operator has declared them
    /// the same registry, and they replace the stored ones.
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
            // Content that was cached before addresses were stored is under the bare name. No key contains an @.
            return at == 0 ? name : $"{name}@{at + 1}";
        }
    }

    private List<string[]> Read(string name)
    {
        var path = $"{_folder}/{name}";
        if (Disk.LengthOf(path) is not (> 0 and <= MaxBytes) || Disk.Text(path) is not { } text) return [];
        return [.. text.Split('\n').Where(l => l.Length > 0).Select(l => l.Split(' '))];
    }

    // A full or read-only volume stores no addresses. The next start then finds the same folder by the same rule, unless the addresses
    // change again.
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
