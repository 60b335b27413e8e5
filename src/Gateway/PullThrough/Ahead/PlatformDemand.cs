namespace Gateway.PullThrough;

/// <summary>
/// Which platforms clients pull, learned from their requests for children of indexes. It is in memory only; after a restart, some hundred
/// requests are enough to learn it again.
/// </summary>
internal sealed class PlatformDemand(TimeProvider clock)
{
    // Platforms counted; public images have about fifteen.
    private const int MaxPlatforms = 64;

    // After so many requests all counts are halved, so that platforms of replaced nodes lose weight.
    private const int HalveAt = 1024;

    // A platform of less than one request in twenty is not prefetched.
    private const double WantedShare = 0.05;

    // Clients request a child right after its index.
    private static readonly TimeSpan Remembered = TimeSpan.FromHours(1);

    private readonly ExpiringMap<Digest, string> _children = new(8192, clock);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _asked = [];
    private readonly HashSet<Digest> _own = [];
    private int _total;

    /// <summary>A platform as container tools write it: <c>os/architecture/variant</c>.</summary>
    public static string Text(Platform platform) =>
        $"{platform.Os}/{platform.Architecture}{(string.IsNullOrEmpty(platform.Variant) ? "" : "/" + platform.Variant)}";

    /// <summary>Records the platforms of an index's children.</summary>
    public void Note(Manifest index)
    {
        foreach (var child in index.Children)
        {
            // buildx attaches attestations under this platform.
            if (child.Platform is { Os: not "unknown" } platform) _children.Set(child.Digest, Text(platform), Remembered);
        }
    }

    /// <summary>Counts a client's request for a manifest if the manifest is a child of a recorded index.</summary>
    public void Asked(Digest digest)
    {
        if (!_children.TryGet(digest, out var platform)) return;
        lock (_lock)
        {
            if (_own.Contains(digest) || (_asked.Count >= MaxPlatforms && !_asked.ContainsKey(platform))) return;
            _asked[platform] = _asked.GetValueOrDefault(platform) + 1;
            if (++_total < HalveAt) return;
            foreach (var each in _asked.Keys.ToArray())
            {
                if ((_asked[each] /= 2) == 0) _asked.Remove(each);
            }
            _total = _asked.Values.Sum();
        }
    }

    /// <summary>Does not count requests for this manifest until disposed, because the gateway sends them itself.</summary>
    public IDisposable Ignore(Digest digest)
    {
        lock (_lock) _own.Add(digest);
        return new Own(this, digest);
    }

    /// <summary>The platforms in demand.</summary>
    public string[] Wanted()
    {
        lock (_lock) return [.. _asked.Where(each => each.Value >= WantedShare * _total).Select(each => each.Key)];
    }

    private sealed class Own(PlatformDemand demand, Digest digest) : IDisposable
    {
        public void Dispose()
        {
            lock (demand._lock) demand._own.Remove(digest);
        }
    }
}
