using System.Collections.Concurrent;
using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>The fetches under way: at most one per digest, for any number of repositories and clients.</summary>
/// <param name="peers">The other replicas; null if this gateway is alone.</param>
/// <param name="tags">What upstreams said to other replicas; null if this gateway is alone.</param>
internal sealed class FetchTable(
    FetchFiles files, IContentLookup contents, TimeProvider clock, ILogger logger, IFetchPeers? peers = null, ISharedTags? tags = null)
    : IAsyncDisposable
{
    /// <summary>
    /// Bytes. A larger fetch stops when its last reader leaves; otherwise a client that requests and disconnects could fill the volume.
    /// </summary>
    public long LargestAbandoned { get; init; } = 10L << 30;

    /// <summary>
    /// Bytes. A blob of at most this size is verified before its first byte is sent (docs/design/0003-fetch.md, "The watermark").
    /// </summary>
    public const long VerifiedFirst = 4 << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<Digest, BlobFetch> _fetches = [];
    private readonly ConcurrentDictionary<BlobFetch, Task> _running = new();
    private bool _stopping;

    /// <summary>What all fetches share.</summary>
    public FetchResources Resources { get; } = new(files, contents, clock, logger) { Peers = peers, Tags = tags };

    /// <summary>The number of fetches under way.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _fetches.Count;
        }
    }

    /// <summary>The fetches under way, in no order.</summary>
    public IReadOnlyList<BlobFetch> All()
    {
        lock (_gate) return [.. _fetches.Values];
    }

    /// <summary>The fetch of a digest; null if none is under way.</summary>
    public BlobFetch? Find(Digest digest)
    {
        lock (_gate) return _fetches.GetValueOrDefault(digest);
    }

    /// <summary>Prefetches blobs and the children of indexes.</summary>
    public Prefetch Ahead { get; } = new(clock, logger);

    /// <summary>Prefetches the referrers of admitted manifests.</summary>
    public ReferrersAhead Referrers { get; } = new(clock, logger);

    /// <summary>Manifests that were received from an upstream and are not stored (yet).</summary>
    public RecentManifests Recent { get; } = new(clock);

    /// <summary>Lists of tags that had to be read whole. At most 16 lists of 8 MiB, for any number of repositories and views.</summary>
    public ExpiringMap<UpstreamTags, WholeTagList> TagLists { get; } = new(16, clock);

    /// <summary>Clears the in-memory answers of upstreams, because the operator has purged them.</summary>
    public void Forget()
    {
        Recent.Clear();
        Referrers.Forget();
        Resources.Tags?.Forget();
    }

    /// <summary>
    /// Starts or joins the fetch of a digest for which the source has vouched. The caller must leave the fetch at the end. Throws <see
    /// cref="ObjectDisposedException"/> while the gateway stops.
    /// </summary>
    public (BlobFetch Fetch, bool Joined) Join(Digest digest, long? length, UpstreamRepository source)
    {
        lock (_gate)
        {
            if (_fetches.TryGetValue(digest, out var running) && running.TryJoin(source)) return (running, true);
            ObjectDisposedException.ThrowIf(_stopping, this);
            return (Start(new(Resources, LargestAbandoned, digest, length, source)), false);
        }
    }

    /// <summary>
    /// Starts the fetch of a digest for which the source has not vouched: the first response of the fetch does. Null if a HEAD is cheaper
    /// or faster: the digest is on disk or arriving already, its fetch would resume a part or wait for a place, or the volume is full. Null
    /// also among replicas, because the bytes may come from another one, which cannot vouch. The caller must leave the fetch at the end.
    /// </summary>
    /// <param name="vouched">See <see cref="BlobFetch"/>.</param>
    public async ValueTask<BlobFetch?> TryBeginAsync(
        Digest digest, UpstreamRepository source, Func<BlobFetch, long, Task> vouched, CancellationToken cancellationToken)
    {
        if (Resources.Peers is not null || await Resources.IsStoredAsync(digest, null, cancellationToken)
            || Resources.Files.LengthOf(digest) > 0
            || !Resources.Files.HasRoomFor(0) || !Resources.Places.HasFree(source)) return null;
        lock (_gate)
        {
            return _stopping || _fetches.ContainsKey(digest)
                ? null
                : Start(new(Resources, LargestAbandoned, digest, null, source, vouched));
        }
    }

    private BlobFetch Start(BlobFetch fetch)
    {
        fetch.TryJoin(fetch.Sources.Current);
        _fetches[fetch.Digest] = fetch;
        PullThroughMetrics.FetchesInFlight.Add(1);
        _running[fetch] = Task.Run(() => RunAsync(fetch));
        return fetch;
    }

    /// <summary>Stops all fetches; their parts stay on disk.</summary>
    public async ValueTask DisposeAsync()
    {
        await Ahead.DisposeAsync();
        await Referrers.DisposeAsync();
        Task[] running;
        lock (_gate)
        {
            _stopping = true;
            running = [.. _running.Values];
        }
        foreach (var fetch in _running.Keys) await fetch.StopAsync();
        await Task.WhenAll(running);
    }

    // After this fetch has ended, a request for the digest starts a new fetch or finds the content on disk.
    private async Task RunAsync(BlobFetch fetch)
    {
        try
        {
            await fetch.RunAsync();
        }
        finally
        {
            lock (_gate)
            {
                if (_fetches.TryGetValue(fetch.Digest, out var current) && ReferenceEquals(current, fetch)) _fetches.Remove(fetch.Digest);
            }
            PullThroughMetrics.FetchesInFlight.Add(-1);
            await fetch.EndAsync();
            _running.TryRemove(fetch, out _);
        }
    }
}
