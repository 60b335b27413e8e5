using System.Collections.Concurrent;
using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// The fetches under way: at most one per digest, whoever asks. Also what they share: room, places, and the digests of which wrong bytes
/// came.
/// </summary>
internal sealed class FetchTable(Volume volume, TimeProvider clock, ILogger logger) : IAsyncDisposable
{
    /// <summary>A larger fetch stops when its last reader leaves: else one who asks and hangs up could make us fill the volume.</summary>
    public long LargestAbandoned { get; init; } = 10L << 30;

    /// <summary>Up to this size a blob is verified before its first byte (docs/design/0003-fetch.md, "The watermark").</summary>
    public const long VerifiedFirst = 4 << 20;

    // Fetches under way per upstream: more connections to one registry gain nothing and get clients blocked.
    private const int PerUpstream = 32;

    // Connections beside these, at a time, of all fetches from an upstream: whoever comes first is helped, the others run as ever.
    private const int BesidePerUpstream = 16;

    // Early ranges per upstream, at a time: a lazy-loading snapshotter has a few under way, and who finds no place follows the fetch.
    private const int EarlyPerUpstream = 32;

    // Answers that pass through without being kept, at a time: each has an upstream body of its own.
    private const int MaxUnkept = 32;

    // A queue for a place that takes longer is told "not now".
    private static readonly TimeSpan LongestQueue = TimeSpan.FromSeconds(30);

    // Chosen: clients that try again within minutes get a body that was verified first; an upstream that was mended is not slowed for long.
    private static readonly TimeSpan SuspectFor = TimeSpan.FromMinutes(15);

    private readonly Lock _gate = new();
    private readonly Dictionary<Digest, BlobFetch> _fetches = [];
    private readonly ConcurrentDictionary<BlobFetch, Task> _running = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _places = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _beside = new();
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _early = new();
    private readonly SemaphoreSlim _unkept = new(MaxUnkept);
    private readonly ExpiringMap<Digest, Uri?> _suspects = new(4096, clock);
    private bool _stopping;

    public TimeProvider Clock => clock;

    public ILogger Logger => logger;

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

    /// <summary>Whether wrong bytes came for this digest lately: then nothing of it is sent before all of it is verified.</summary>
    public bool IsSuspect(Digest digest) => _suspects.TryGet(digest, out _);

    /// <summary>Whether the content is whole in some root already.</summary>
    /// <param name="length">Bytes that it has; null when nobody has said.</param>
    public bool IsOnDisk(Digest digest, long? length) => volume.FindContent(digest, length ?? -1) is not null;

    /// <summary>Forgets what upstreams said and is only in memory: the operator has purged it.</summary>
    public void Forget()
    {
        Recent.Clear();
        Referrers.Forget();
    }

    /// <summary>Starts the fetch of a digest, or joins it; the caller leaves it when done. The source has vouched for the digest.</summary>
    public (BlobFetch Fetch, bool Joined) Join(Digest digest, long? length, UpstreamRepository source)
    {
        lock (_gate)
        {
            if (_fetches.TryGetValue(digest, out var running) && running.TryJoin(source)) return (running, true);
            ObjectDisposedException.ThrowIf(_stopping, this);
            var fetch = new BlobFetch(this, digest, length, source);
            if (_suspects.TryGet(digest, out var wrongAt)) fetch.Sources.Except = wrongAt;
            fetch.TryJoin(source);
            _fetches[digest] = fetch;
            PullThroughMetrics.FetchesInFlight.Add(1);
            _running[fetch] = Task.Run(fetch.RunAsync);
            return (fetch, false);
        }
    }

    /// <summary>A fetch has ended: who asks from now on starts anew, or finds it on disk.</summary>
    public void Forget(BlobFetch fetch)
    {
        lock (_gate)
        {
            if (_fetches.TryGetValue(fetch.Digest, out var current) && ReferenceEquals(current, fetch)) _fetches.Remove(fetch.Digest);
            _running.TryRemove(fetch, out _);
        }
        PullThroughMetrics.FetchesInFlight.Add(-1);
    }

    /// <summary>Null when there is no room.</summary>
    public FetchFile? OpenFile(Digest digest, long? length) => volume.Fetches.Open(digest, length);

    /// <summary>Waits for a place among the fetches of an upstream; disposing gives it back.</summary>
    public async Task<IDisposable> EnterAsync(UpstreamRepository source, CancellationToken cancellationToken) =>
        await Place.TakeAsync(_places.GetOrAdd(source.Key, _ => new(PerUpstream)), LongestQueue, cancellationToken)
        ?? throw new FetchException(FetchFailure.Unavailable, $"too many fetches from upstream {source.Key} are under way");

    /// <summary>A place for one more connection to the upstream of a fetch that has one already; null when none is free.</summary>
    public IDisposable? TryEnterBeside(UpstreamRepository source) =>
        Place.TryTake(_beside.GetOrAdd(source.Key, _ => new(BesidePerUpstream)));

    /// <summary>A place for an early range; null when none is free.</summary>
    public IDisposable? TryEnterEarly(UpstreamRepository source) => Place.TryTake(_early.GetOrAdd(source.Key, _ => new(EarlyPerUpstream)));

    /// <summary>Waits for a place among the answers that are not kept.</summary>
    public async Task<IDisposable> EnterUnkeptAsync(CancellationToken cancellationToken) =>
        await Place.TakeAsync(_unkept, LongestQueue, cancellationToken)
        ?? throw new FetchException(FetchFailure.Unavailable, "the volume has no room, and too many answers pass through it unkept");

    /// <summary>Notes that wrong bytes came for this digest.</summary>
    public void Suspect(Digest digest, Uri? endpoint, UpstreamRepository source, string what)
    {
        _suspects.Set(digest, endpoint, SuspectFor);
        if (endpoint is not null) source.Report(endpoint, wrong: true);
        PullThroughMetrics.IntegrityFailure("upstream");
        Log.WrongBytes(logger, digest, source.Key, what);
    }

    /// <summary>Stops all fetches. What they have is left behind as parts.</summary>
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
}
