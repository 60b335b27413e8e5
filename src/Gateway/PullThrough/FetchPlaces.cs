using System.Collections.Concurrent;

namespace Gateway.PullThrough;

/// <summary>Bounds how many connections to an upstream are open at a time, for each purpose.</summary>
internal sealed class FetchPlaces
{
    /// <summary>Fetches per upstream. Chosen: more connections to one registry gain nothing and get clients blocked.</summary>
    private const int PerUpstream = 32;

    /// <summary>Connections beside these, per upstream. Chosen: the first fetches get them, later ones use one connection each.</summary>
    private const int BesidePerUpstream = 16;

    /// <summary>
    /// Early ranges per upstream. Chosen: a lazy-loading snapshotter has a few open, and a reader without a place follows the fetch.
    /// </summary>
    private const int EarlyPerUpstream = 32;

    /// <summary>Answers that pass through without being stored. Chosen: each has an upstream body of its own.</summary>
    private const int MaxUnstored = 32;

    /// <summary>A wait for a place ends after this; the caller then answers "unavailable".</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _fetches = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _beside = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _early = new();
    private readonly SemaphoreSlim _unstored = new(MaxUnstored);

    /// <summary>Waits for a place for a fetch; disposing gives it back. Throws <see cref="FetchException"/> when none gets free.</summary>
    public async Task<IDisposable> EnterAsync(UpstreamRepository source, CancellationToken cancellationToken) =>
        await Place.TakeAsync(_fetches.GetOrAdd(source.Key, _ => new(PerUpstream)), LongestWait, cancellationToken)
        ?? throw new FetchException(
            FetchFailure.Unavailable, $"upstream {source.Key} has {PerUpstream} fetches under way, the most at a time; try again later");

    /// <summary>A place for one more connection of a fetch; null when none is free.</summary>
    public IDisposable? TryEnterBeside(UpstreamRepository source) =>
        Place.TryTake(_beside.GetOrAdd(source.Key, _ => new(BesidePerUpstream)));

    /// <summary>A place for an early range; null when none is free.</summary>
    public IDisposable? TryEnterEarly(UpstreamRepository source) => Place.TryTake(_early.GetOrAdd(source.Key, _ => new(EarlyPerUpstream)));

    /// <summary>
    /// Waits for a place among the answers that are not stored; disposing gives it back. Throws <see cref="FetchException"/> when none
    /// gets free.
    /// </summary>
    public async Task<IDisposable> EnterUnstoredAsync(CancellationToken cancellationToken) =>
        await Place.TakeAsync(_unstored, LongestWait, cancellationToken)
        ?? throw new FetchException(
            FetchFailure.Unavailable,
            $"the volume is full, and {MaxUnstored} answers pass through without being stored, the most at a time; try again later");
}
