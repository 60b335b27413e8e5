using System.Diagnostics.CodeAnalysis;
using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>What all fetches share: room on the volume, places, and the digests for which an upstream sent wrong bytes.</summary>
internal sealed class FetchResources(FetchFiles files, IContentLookup contents, TimeProvider clock, ILogger logger)
{
    /// <summary>
    /// Chosen: a client that tries again within minutes gets content that was verified first; a repaired upstream is not slowed for long.
    /// </summary>
    private static readonly TimeSpan SuspectFor = TimeSpan.FromMinutes(15);

    // Digests. Chosen: far more than the layers of a large population that are wrong at one time.
    private readonly ExpiringMap<Digest, Uri?> _suspects = new(4096, clock);

    /// <summary>For deadlines and rates.</summary>
    public TimeProvider Clock => clock;

    public ILogger Logger => logger;

    /// <summary>Limits on connections.</summary>
    public FetchPlaces Places { get; } = new();

    /// <summary>The other replicas; null if this gateway is alone.</summary>
    public IFetchPeers? Peers { get; init; }

    /// <summary>What upstreams said to other replicas; null if this gateway is alone.</summary>
    public ISharedTags? Tags { get; init; }

    public FetchFiles Files => files;

    /// <summary>Whether some root has the whole content. A bucket that does not answer does not hold up a fetch from an upstream.</summary>
    /// <param name="length">Expected bytes; null if unknown.</param>
    public async ValueTask<bool> IsStoredAsync(Digest digest, long? length, CancellationToken cancellationToken)
    {
        try
        {
            return await contents.FindAsync(digest, length ?? -1, cancellationToken) is not null;
        }
        catch (IOException e) when (e is not UnreadableException)
        {
            return false;
        }
    }

    /// <summary>
    /// Whether an upstream or a replica sent wrong bytes for this digest in the last minutes. Then the gateway verifies all of the content
    /// before it sends any, and asks no replica for it.
    /// </summary>
    public bool IsSuspect(Digest digest) => _suspects.TryGet(digest, out _);

    /// <summary>The same, with the endpoint that sent the bytes; null if it is unknown.</summary>
    public bool IsSuspect(Digest digest, [MaybeNull] out Uri endpoint) => _suspects.TryGet(digest, out endpoint);

    /// <summary>Records that an upstream sent wrong bytes for this digest.</summary>
    public void Suspect(Digest digest, Uri? endpoint, UpstreamRepository source, string what)
    {
        _suspects.Set(digest, endpoint, SuspectFor);
        if (endpoint is not null) source.Report(endpoint, wrong: true);
        PullThroughMetrics.IntegrityFailure("upstream");
        Log.WrongBytes(logger, digest, source.Key, what);
    }

    /// <summary>
    /// Records that bytes of this digest were wrong, and that other replicas had sent at least some of them. No upstream is blamed.
    /// </summary>
    public void SuspectPeers(Digest digest, IEnumerable<Uri> peers, string what)
    {
        _suspects.Set(digest, null, SuspectFor);
        PullThroughMetrics.IntegrityFailure("peer");
        Log.WrongBytesOfPeer(logger, digest, string.Join(", ", peers), what);
    }
}
