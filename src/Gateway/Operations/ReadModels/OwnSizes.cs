using System.Diagnostics;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>What a repository has for itself, and what it shares with others.</summary>
/// <param name="Own">Bytes that no other repository has: as many are freed when the repository is deleted.</param>
/// <param name="Shared">Bytes that others have too.</param>
internal readonly record struct OwnSize(KnownRepository Known, long Own, long Shared);

/// <summary>The own sizes of all repositories.</summary>
/// <param name="At">When they were counted.</param>
/// <param name="Sorted">The repository with the most own bytes first.</param>
/// <param name="ByName">The same by name.</param>
internal sealed record OwnSizeOrder(
    DateTimeOffset At, IReadOnlyList<OwnSize> Sorted, IReadOnlyDictionary<RepositoryName, OwnSize> ByName);

/// <summary>
/// Counts what each repository has for itself. That needs every link of every repository, so it is done in the background, when somebody
/// asks, and takes at most half of one thread. It keeps two numbers for each repository, and no digest.
/// </summary>
internal sealed class OwnSizes(KnownRepositories known, StoredRepositories stored, TimeProvider clock, IHostApplicationLifetime lifetime)
{
    // Repositories in memory, about 300 bytes each. Those beyond are not in the order.
    private const int Most = 50_000;

    // A page waits until a count is this old, and otherwise shows the last one. A count that takes longer keeps no other page waiting.
    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(300);

    // With a last count to show, a page is ready within 50 ms.
    private static readonly TimeSpan ShortWait = TimeSpan.FromMilliseconds(20);

    // The work between two rests, and the least age of a count that is done again. A long count stays longer.
    private static readonly TimeSpan Piece = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(5);
    private const int FreshForCounts = 20;

    private readonly Lock _lock = new();
    private volatile Counted? _last;
    private Task? _running;
    private long _begun;

    private sealed record Counted(RepositoryRouter Router, OwnSizeOrder Order, DateTimeOffset Until);

    /// <summary>The last count; null when there is none yet.</summary>
    public OwnSizeOrder? Last(RepositoryRouter router) => _last is { } last && last.Router == router ? last.Order : null;

    /// <summary>A count that is not old; an older one, or null, when that takes longer than a page waits.</summary>
    public async ValueTask<OwnSizeOrder?> ReadAsync(RepositoryRouter router, CancellationToken cancellationToken)
    {
        if (_last is { } last && last.Router == router && clock.GetUtcNow() < last.Until) return last.Order;
        Task running;
        lock (_lock)
        {
            if (_running is not { IsCompleted: false })
                (_running, _begun) = (Task.Run(() => CountAsync(router), CancellationToken.None), clock.GetTimestamp());
            running = _running;
        }
        var rest = (Last(router) is null ? Wait : ShortWait) - clock.GetElapsedTime(_begun);
        if (rest > TimeSpan.Zero) await Task.WhenAny(running, Task.Delay(rest, clock, cancellationToken));
        return Last(router);
    }

    private async Task CountAsync(RepositoryRouter router)
    {
        var (begun, pace, filter) = (clock.GetUtcNow(), new Pace(clock, lifetime.ApplicationStopping), new SharedFilter());
        var (names, _) = await known.AfterAsync(router, null);
        foreach (var each in names)
        {
            foreach (var (root, part) in PartsOf(each))
            {
                foreach (var digest in part.Manifests().Concat(part.Blobs()).Distinct())
                {
                    filter.Note(root, digest);
                    await pace.RestAsync();
                }
            }
        }
        filter.End();
        var sizes = new List<OwnSize>();
        (names, _) = await known.AfterAsync(router, null);
        foreach (var each in names.Take(Most))
        {
            var (own, shared) = (0L, 0L);
            foreach (var (root, part) in PartsOf(each))
            {
                foreach (var digest in part.Manifests().Concat(part.Blobs()).Distinct())
                {
                    var bytes = part.BytesOf(digest);
                    if (filter.IsShared(root, digest)) shared += bytes;
                    else own += bytes;
                    await pace.RestAsync();
                }
            }
            sizes.Add(new(each, own, shared));
        }
        sizes.Sort(static (one, other) => other.Own.CompareTo(one.Own));
        var (now, byName) = (clock.GetUtcNow(), new Dictionary<RepositoryName, OwnSize>());
        foreach (var size in sizes) byName.TryAdd(size.Known.Name, size);
        var longer = (now - begun) * FreshForCounts;
        _last = new(router, new(now, sizes, byName), now + (longer > FreshFor ? longer : FreshFor));
    }

    private IEnumerable<(int Root, StoredRepository Part)> PartsOf(KnownRepository each) => each.Folder is not { } folder
        ? [(0, stored.Pushed(each.Own))]
        : [(1, stored.Cached(folder, each.Own)), (2, stored.Staged(folder, each.Own))];

    /// <summary>Rests as long as it worked.</summary>
    private sealed class Pace(TimeProvider clock, CancellationToken stop)
    {
        private long _began = Stopwatch.GetTimestamp();

        public ValueTask RestAsync()
        {
            stop.ThrowIfCancellationRequested();
            return Stopwatch.GetElapsedTime(_began) < Piece ? ValueTask.CompletedTask : WaitAsync();
        }

        private async ValueTask WaitAsync()
        {
            await Task.Delay(Stopwatch.GetElapsedTime(_began), clock, stop);
            _began = Stopwatch.GetTimestamp();
        }
    }
}
