using System.Collections.Concurrent;
using Gateway.PullThrough;

namespace Gateway.Replicas;

/// <summary>The fetches of this replica that other replicas can follow, by digest.</summary>
internal sealed class SharedFetches(ReplicaServices services) : IFetchPeers, IDisposable
{
    /// <summary>
    /// Requests for content that no manifest seen here names, each of which asks every replica once. Chosen: more than the images that a
    /// rollout starts at one moment; a client that makes up digests cannot have more under way.
    /// </summary>
    private const int MostNaming = 32;

    // Chosen: a document of some MiB in one network; the upstream is the other way.
    private static readonly TimeSpan SmallWithin = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<Digest, SharedFetch> _all = new();
    private readonly SemaphoreSlim _naming = new(MostNaming);

    public void Dispose() => _naming.Dispose();

    /// <summary>A fetch under way; null for none.</summary>
    public SharedFetch? Find(Digest digest) => _all.GetValueOrDefault(digest);

    /// <summary>All fetches under way.</summary>
    public IReadOnlyCollection<SharedFetch> All => [.. _all.Values];

    /// <summary>The number of fetches by what this replica does about them.</summary>
    public Dictionary<LeaseState, int> ByState => _all.Values.CountBy(each => each.State).ToDictionary();

    public async ValueTask<byte[]?> FindSmallAsync(Digest digest, int most, CancellationToken cancellationToken)
    {
        foreach (var (url, said) in await services.AskAsync(digest, cancellationToken))
        {
            if (said is not { IsWhole: true } offer || offer.Position > most) continue;
            try
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                limit.CancelAfter(SmallWithin);
                using var response = await services.Peers.OpenAsync(url, digest, 0, limit.Token);
                var bytes = new byte[Math.Min(most, response.Content.Headers.ContentLength ?? 0)];
                await using var body = await response.Content.ReadAsStreamAsync(limit.Token);
                await body.ReadExactlyAsync(bytes, limit.Token);
                ReplicaMetrics.Received(bytes.Length);
                if (Digest.Of(bytes, digest.Algorithm) == digest) return bytes;
                services.Members.AvoidLiar(url);
                ReplicaMetrics.PeerFailed("wrong");
            }
            catch (Exception e) when (e is IOException or HttpRequestException or OperationCanceledException)
            {
                // The upstream has it too.
                cancellationToken.ThrowIfCancellationRequested();
                services.Members.Avoid(url);
                ReplicaMetrics.PeerFailed("stopped");
            }
        }
        return null;
    }

    public async ValueTask<IReadOnlyList<Digest>?> NamingAsync(
        UpstreamRepository source, Digest content, CancellationToken cancellationToken)
    {
        if (!await _naming.WaitAsync(services.Peers.ProbeDeadline, cancellationToken))
        {
            ReplicaMetrics.Hint("busy");
            return null;
        }
        try
        {
            var target = PeerPaths.Naming(content, source.Options.Urls[0], source.Name);
            // No other source says it, so replicas that were slow lately are asked too, if the others name nothing.
            var replicas = services.Members.OrderFor(content).ToLookup(services.Members.IsSlow);
            var named = await AllAsync(replicas[false]);
            if (named.Count == 0) named = await AllAsync(replicas[true]);
            ReplicaMetrics.Hint(named.Count > 0 ? "found" : "none");
            return named;

            async Task<IReadOnlyList<Digest>> AllAsync(IEnumerable<Uri> urls) =>
                [.. (await Task.WhenAll(urls.Select(url => AskAsync(url, target, cancellationToken))))
                    .SelectMany(static each => each).Distinct().Take(NamedManifests.MostInAll)];
        }
        finally
        {
            _naming.Release();
        }
    }

    private async Task<IReadOnlyList<Digest>> AskAsync(Uri url, string target, CancellationToken cancellationToken)
    {
        var asked = services.Clock.GetTimestamp();
        var (named, failed) = await services.Peers.NamingAsync(url, target, cancellationToken);
        services.Members.Heard(url, asked, answered: named is not null, failed);
        return named ?? [];
    }

    public IFetchTurn Begin(BlobFetch fetch)
    {
        var shared = new SharedFetch(fetch, services, over => _all.TryRemove(new(over.Digest, over)));
        _all[fetch.Digest] = shared;
        return shared;
    }
}
