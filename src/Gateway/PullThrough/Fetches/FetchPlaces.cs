using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Gateway.PullThrough;

/// <summary>Limits the connections to an upstream that are open at a time, for each purpose.</summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as the process, and no wait handle is made of it.")]
internal sealed class FetchPlaces
{
    /// <summary>Fetches per upstream. Chosen: more connections to one registry gain nothing and get clients blocked.</summary>
    private const int PerUpstream = 32;

    /// <summary>
    /// Additional connections of fetches, per upstream. Chosen: the first fetches get them; later ones use one connection each.
    /// </summary>
    private const int BesidePerUpstream = 16;

    /// <summary>
    /// Early ranges per upstream. Chosen: a lazy-loading snapshotter has a few open; a reader without a place follows the fetch.
    /// </summary>
    private const int EarlyPerUpstream = 32;

    /// <summary>Responses that pass through without being stored. Chosen: each has an upstream body of its own.</summary>
    private const int MaxUnstored = 32;

    /// <summary>Longest wait for a place; after that the caller answers "unavailable".</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _fetches = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _beside = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _early = new();
    private readonly SemaphoreSlim _unstored = new(MaxUnstored);

    /// <summary>
    /// Waits for a place for a fetch; dispose it to free the place. Throws <see cref="FetchException"/> if none becomes free.
    /// </summary>
    public async Task<IDisposable> EnterAsync(UpstreamRepository source, CancellationToken cancellationToken) =>
        await Place.TakeAsync(_fetches.GetOrAdd(source.Key, _ => new(PerUpstream)), LongestWait, cancellationToken)
        ?? throw new FetchException(
            FetchFailure.Unavailable, $"all {PerUpstream} places for fetches from upstream {source.Key} are in use; try again later");

    /// <summary>Whether a fetch from this upstream would find a place now.</summary>
    public bool HasFree(UpstreamRepository source) => !_fetches.TryGetValue(source.Key, out var places) || places.CurrentCount > 0;

    /// <summary>A place for one more connection of a fetch; null if none is free.</summary>
    public IDisposable? TryEnterBeside(UpstreamRepository source) =>
        Place.TryTake(_beside.GetOrAdd(source.Key, _ => new(BesidePerUpstream)));

    /// <summary>A place for an early range; null if none is free.</summary>
    public IDisposable? TryEnterEarly(UpstreamRepository source) => Place.TryTake(_early.GetOrAdd(source.Key, _ => new(EarlyPerUpstream)));

    /// <summary>
    /// Waits for a place for a response that is not stored; dispose it to free the place. Throws <see cref="FetchException"/> if none
    /// becomes free.
    /// </summary>
    public async Task<IDisposable> EnterUnstoredAsync(CancellationToken cancellationToken) =>
        await Place.TakeAsync(_unstored, LongestWait, cancellationToken)
        ?? throw new FetchException(
            FetchFailure.Unavailable,
            $"the volume is full and all {MaxUnstored} places for responses that are not stored are in use; try again later");
}
