using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>A repository with stored content.</summary>
/// <param name="Name">Its canonical name.</param>
/// <param name="Folder">The folder of its upstream; null for built-in storage.</param>
/// <param name="Own">Its name in that folder.</param>
internal readonly record struct KnownRepository(RepositoryName Name, string? Folder, RepositoryName Own);

/// <summary>
/// The names of all repositories with stored content. Those of built-in storage are in memory already (<c>Catalog</c>); those of upstreams
/// are read from the disk here, and again when a page is requested and they are old.
/// </summary>
internal sealed class KnownRepositories(
    StoredRepositories stored, CachedRepositories cachedRepositories, StagedContent staged, TimeProvider clock)
{
    // Names of built-in storage read at a time; the catalog is locked meanwhile.
    private const int PageSize = 1000;

    // Names of upstreams in memory, about 200 bytes each.
    private const int Most = 200_000;

    // A page shows a repository at most this long after its first fetch.
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(2);

    // A page waits this long for the names, and otherwise shows those of the last reading.
    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(20);

    private readonly Lock _lock = new();
    private volatile Reading? _last;
    private Task? _reading;

    private sealed record Reading(RepositoryRouter Router, DateTimeOffset At, KnownRepository[] Sorted);

    /// <summary>
    /// The repositories after a name, in bytewise order; each is read only when it is needed. The second value is false while the names of
    /// upstreams are read for the first time.
    /// </summary>
    public async ValueTask<(IEnumerable<KnownRepository> Names, bool IsComplete)> AfterAsync(RepositoryRouter router, string? last)
    {
        var cached = await CachedAsync(router);
        var from = cached?.Sorted ?? [];
        return (Merge(Pushed(last), from.Skip(After(from, last))), cached is not null);
    }

    /// <summary>The repositories with held pushes, in bytewise order; some may have ended since.</summary>
    public async ValueTask<IReadOnlyList<RepositoryName>> HoldersAsync(RepositoryRouter router)
    {
        var (pushed, atUpstreams) = await stored.HoldersAsync();
        var names = pushed.Select(static path => RepositoryName.Parse(path)).ToHashSet();
        foreach (var path in atUpstreams)
        {
            var (folder, own) = Split(path);
            if (RepositoryName.TryParse(router.NameOf(folder, own), out var name)) names.Add(name);
        }
        RepositoryName[] sorted = [.. names];
        Array.Sort(sorted);
        return sorted;
    }

    // The place of the first name behind another one. A page that jumps over namespaces asks for many.
    private static int After(KnownRepository[] sorted, string? last)
    {
        var (low, high) = (0, last is null ? 0 : sorted.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (string.CompareOrdinal(sorted[middle].Name.Value, last) > 0) high = middle;
            else low = middle + 1;
        }
        return low;
    }

    private async ValueTask<Reading?> CachedAsync(RepositoryRouter router)
    {
        if (_last is { } last && last.Router == router && clock.GetUtcNow() - last.At < FreshFor) return last;
        Task reading;
        lock (_lock) reading = _reading is { IsCompleted: false } running ? running : _reading = Task.Run(() => Read(router));
        await Task.WhenAny(reading, Task.Delay(Wait, clock));
        return _last;
    }

    private void Read(RepositoryRouter router)
    {
        var now = clock.GetUtcNow();
        var names = new Dictionary<RepositoryName, KnownRepository>();
        foreach (var (folder, own) in Stored())
        {
            if (names.Count == Most) break;
            if (RepositoryName.TryParse(router.NameOf(folder, own), out var name)) names.TryAdd(name, new(name, folder, own));
        }
        KnownRepository[] sorted = [.. names.Values];
        Array.Sort(sorted, static (one, other) => one.Name.CompareTo(other.Name));
        _last = new(router, now, sorted);
    }

    // Cached content, and content that was accepted for an upstream and is not there yet.
    private IEnumerable<(string Folder, RepositoryName Own)> Stored()
    {
        foreach (var cached in cachedRepositories.All()) yield return (cached.Upstream, cached.Name);
        foreach (var path in staged.Repositories) yield return Split(path);
    }

    private static (string Folder, RepositoryName Own) Split(string path)
    {
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        return (path[..slash], RepositoryName.Parse(path.AsSpan(slash + 1)));
    }

    private IEnumerable<KnownRepository> Pushed(string? last)
    {
        while (true)
        {
            var page = stored.PushedAfter(last, PageSize);
            foreach (var name in page.Items) yield return new(name, null, name);
            if (!page.More || page.Items.Count == 0) yield break;
            last = page.Items[^1].Value;
        }
    }

    private static IEnumerable<KnownRepository> Merge(IEnumerable<KnownRepository> one, IEnumerable<KnownRepository> other)
    {
        using var a = one.GetEnumerator();
        using var b = other.GetEnumerator();
        var (hasA, hasB) = (a.MoveNext(), b.MoveNext());
        while (hasA || hasB)
        {
            var takesA = hasA && (!hasB || a.Current.Name.CompareTo(b.Current.Name) <= 0);
            yield return takesA ? a.Current : b.Current;
            if (takesA) hasA = a.MoveNext();
            else hasB = b.MoveNext();
        }
    }
}
