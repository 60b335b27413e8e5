using System.Collections.Concurrent;
using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>The fetches under way: at most one per digest, whatever the number of repositories and clients that ask for it.</summary>
internal sealed class FetchTable(Volume volume, TimeProvider clock, ILogger logger) : IAsyncDisposable
{
    /// <summary>
    /// Bytes. A larger fetch stops when its last reader leaves; otherwise a client that asks and hangs up could fill the volume.
    /// </summary>
    public long LargestAbandoned { get; init; } = 10L << 30;

    /// <summary>Up to this size a blob is verified before its first byte (docs/design/0003-fetch.md, "The watermark").</summary>
    public const long VerifiedFirst = 4 << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<Digest, BlobFetch> _fetches = [];
    private readonly ConcurrentDictionary<BlobFetch, Task> _running = new();
    private bool _stopping;

    /// <summary>What all fetches share.</summary>
    public FetchResources Resources { get; } = new(volume, clock, logger);

    /// <summary>Fetches under way.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _fetches.Count;
        }
    }

    /// <summary>The fetch of a digest; null when none is under way.</summary>
    public BlobFetch? Find(Digest digest)
    {
        lock (_gate) return _fetches.GetValueOrDefault(digest);
    }

    /// <summary>What is fetched ahead of need.</summary>
    public Prefetch Ahead { get; } = new(clock, logger);

    /// <summary>Who refers to what was admitted.</summary>
    public ReferrersAhead Referrers { get; } = new(clock, logger);

    /// <summary>Manifests that came from an upstream and are not kept (yet).</summary>
    public RecentManifests Recent { get; } = new(clock);

    /// <summary>
    /// Lists of tags that had to be read whole. At most 16 of 8 MiB, whatever the number of repositories, and of clients with views of
    /// their own.
    /// </summary>
    public ExpiringMap<UpstreamTags, WholeTagList> TagLists { get; } = new(16, clock);

    /// <summary>Forgets what upstreams said and is only in memory: the operator has purged it.</summary>
    public void Forget()
    {
        Recent.Clear();
        Referrers.Forget();
    }

    /// <summary>
    /// Starts the fetch of a digest, or joins it; the caller leaves it at the end. The source has vouched for the digest. Throws
    /// <see cref="ObjectDisposedException"/> while the gateway stops.
    /// </summary>
    public (BlobFetch Fetch, bool Joined) Join(Digest digest, long? length, UpstreamRepository source)
    {
        lock (_gate)
        {
            if (_fetches.TryGetValue(digest, out var running) && running.TryJoin(source)) return (running, true);
            ObjectDisposedException.ThrowIf(_stopping, this);
            var fetch = new BlobFetch(Resources, LargestAbandoned, digest, length, source);
            fetch.TryJoin(source);
            _fetches[digest] = fetch;
            PullThroughMetrics.FetchesInFlight.Add(1);
            _running[fetch] = Task.Run(() => RunAsync(fetch));
            return (fetch, false);
        }
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

    // After its end, a request for the digest starts a new fetch, or finds the content on disk.
    private async Task RunAsync(BlobFetch fetch)
    {
        await fetch.RunAsync();
        lock (_gate)
        {
            if (_fetches.TryGetValue(fetch.Digest, out var current) && ReferenceEquals(current, fetch)) _fetches.Remove(fetch.Digest);
            _running.TryRemove(fetch, out _);
        }
        PullThroughMetrics.FetchesInFlight.Add(-1);
        await fetch.EndAsync();
    }
}
