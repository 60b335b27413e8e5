using System.Diagnostics;
using BitFaster.Caching.Lru;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>A repository with what was counted of it; null when nothing was.</summary>
internal readonly record struct SizedRepository(KnownRepository Known, RepositorySummary? Summary);

/// <summary>The repositories by size.</summary>
/// <param name="Sorted">The largest first.</param>
/// <param name="Uncounted">Those that were not counted within the time of one reading.</param>
/// <param name="IsComplete">False while the names of upstreams are read for the first time.</param>
internal sealed record RepositoryOrder(
    IReadOnlyList<SizedRepository> Sorted, IReadOnlyList<KnownRepository> Uncounted, bool IsComplete);

/// <summary>
/// Counts tags and bytes of repositories. A summary is cached until the folders of the repository change, and the order by size for some
/// seconds, because it needs the times of three folders of every repository.
/// </summary>
internal sealed class RepositorySizes(KnownRepositories known, StoredRepositories stored, TimeProvider clock)
{
    // A repository with more is shown as "1000+".
    private const int MostTags = 1000;
    private const int MostLinks = 2000;

    // Summaries in memory, about 200 bytes each.
    private const int MostSummaries = 50_000;

    // Time for counting in one reading of the order; the next one counts further.
    private static readonly TimeSpan CountingTime = TimeSpan.FromSeconds(2);

    // A person who deletes something and returns to the list sees it.
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(2);

    // An order of this age is shown while the next one is read, when that takes longer than a page waits.
    private static readonly TimeSpan StaleFor = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentLru<string, (object Basis, RepositorySummary Summary)> _summaries = new(MostSummaries);
    private readonly Lock _lock = new();
    private volatile Reading? _last;
    private (RepositoryRouter Router, Task Task)? _reading;

    private sealed record Reading(RepositoryRouter Router, DateTimeOffset At, RepositoryOrder Order);

    /// <summary>The summary of a repository; null when it is not known and must not be counted.</summary>
    public RepositorySummary? Of(KnownRepository known, bool mayCount)
    {
        StoredRepository[] parts = known.Folder is not { } folder
            ? [stored.Pushed(known.Own)]
            : [stored.Cached(folder, known.Own), stored.Staged(folder, known.Own)];
        var basis = (parts[0].SummaryBasis(), parts.Length > 1 ? parts[1].SummaryBasis() : default);
        var key = parts[0].FullName + (known.Folder is null ? "" : " cached");
        var cached = _summaries.TryGet(key, out var last) ? last : default;
        if (cached.Basis is not null && cached.Basis.Equals(basis)) return cached.Summary;
        // An older summary is better than none.
        if (!mayCount) return cached.Summary;
        var all = parts.Select(static part => part.Summarize(MostTags, MostLinks)).ToArray();
        var summary = new RepositorySummary(
            all.Max(static s => s.Tags), all.Any(static s => s.HasMoreTags), Sizes.Sum(all.Select(static s => s.Bytes)),
            all.Any(static s => s.HasMoreContent), all.Max(static s => s.ChangedAt));
        _summaries.AddOrUpdate(key, (basis, summary));
        return summary;
    }

    /// <summary>All repositories by size, at most some seconds old. However many ask, one reading runs.</summary>
    public async ValueTask<RepositoryOrder> OrderAsync(RepositoryRouter router, CancellationToken cancellationToken)
    {
        var age = _last is { } last && last.Router == router ? clock.GetUtcNow() - last.At : TimeSpan.MaxValue;
        if (age < FreshFor) return _last!.Order;
        Task reading;
        lock (_lock)
        {
            if (_reading is { Task.IsCompleted: false } running && running.Router == router) reading = running.Task;
            else _reading = (router, reading = Task.Run(() => ReadAsync(router), CancellationToken.None));
        }
        if (age < StaleFor) await Task.WhenAny(reading, Task.Delay(Wait, clock, cancellationToken));
        else await reading.WaitAsync(cancellationToken);
        return _last!.Order;
    }

    private async Task ReadAsync(RepositoryRouter router)
    {
        var (now, begun) = (clock.GetUtcNow(), Stopwatch.GetTimestamp());
        var (names, isComplete) = await known.AfterAsync(router, null);
        var (sized, uncounted) = (new List<SizedRepository>(), new List<KnownRepository>());
        foreach (var each in names)
        {
            if (sized.Count < MostSummaries && Of(each, Stopwatch.GetElapsedTime(begun) < CountingTime) is { } summary)
                sized.Add(new(each, summary));
            else
                uncounted.Add(each);
        }
        sized.Sort(static (one, other) => other.Summary!.Bytes.CompareTo(one.Summary!.Bytes));
        _last = new(router, now, new(sized, uncounted, isComplete));
    }
}
