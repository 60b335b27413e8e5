using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Operations;

/// <summary>What <c>GET /api/v1/stats</c> and <c>gateway stats</c> tell.</summary>
/// <param name="Requests">Null where no gateway runs.</param>
internal sealed record Statistics(
    CacheStatistics Cache,
    RequestStatistics? Requests,
    IReadOnlyList<UpstreamStatistics> Upstreams,
    IReadOnlyList<RepositoryStatistics> Repositories)
{
    /// <summary>Most repositories that are told.</summary>
    public const int MaxTop = 1000;

    /// <summary>Looks at the disk for what is cached; for 100,000 links some seconds.</summary>
    public static CacheStatistics CacheOf(Volume volume, CacheOptions options, int fetches) =>
        new(volume.Eviction.Bytes, options.MaxSize, volume.Eviction.Count, volume.FreeBytes, options.KeepFree, fetches);

    /// <summary>The repositories with most bytes, as the disk has them.</summary>
    public static IReadOnlyList<RepositoryStatistics> Top(
        Volume volume, RepositoryRouter router, int count, CancellationToken cancellationToken)
    {
        var repositories = new List<RepositoryStatistics>();
        foreach (var each in volume.CachedRepositories.All())
        {
            cancellationToken.ThrowIfCancellationRequested();
            repositories.Add(new(router.NameOf(each.Upstream, each.Name), volume.CachedRepositories.BytesOf(each)));
        }
        var sorted = repositories.Where(each => each.Bytes > 0).OrderByDescending(each => each.Bytes);
        return [.. sorted.ThenBy(each => each.Name, StringComparer.Ordinal).Take(count)];
    }

    public static RequestStatistics RequestsOf(Totals totals)
    {
        var hits = totals.Sum("gateway.cache.requests", (_, result) => result is "hit" or "revalidated" or "stale");
        var misses = totals.Sum("gateway.cache.requests", (_, result) => result is "miss" or "coalesced");
        var served = totals.Sum("gateway.cache.bytes", (_, direction) => direction == "served");
        var fetched = totals.Sum("gateway.cache.bytes", (_, direction) => direction == "fetched");
        var evictions = totals.Sum("gateway.cache.evictions", (_, _) => true);
        return new(hits, misses, Ratio(hits, misses), served, fetched, Ratio(served, fetched), evictions);
    }

    public static UpstreamStatistics UpstreamOf(Totals totals, UpstreamOptions upstream, long? rateLimitRemaining) => new(
        upstream.Key,
        totals.Sum("gateway.upstream.requests", (key, _) => key == upstream.Key),
        totals.Sum("gateway.upstream.requests", (key, code) => key == upstream.Key && (code == "error" || code is ['5', ..] or "429")),
        rateLimitRemaining);

    private static double? Ratio(long part, long rest) => part + rest == 0 ? null : Math.Round((double)part / (part + rest), 4);
}

/// <param name="Bytes">Without what clients pushed too.</param>
/// <param name="Entries">Blobs and manifests.</param>
internal sealed record CacheStatistics(long Bytes, long MaxBytes, int Entries, long DiskFree, long KeepFree, int FetchesUnderWay);

/// <summary>Of pull-through repositories, since the start.</summary>
/// <param name="HitRatio">Of requests; null before the first.</param>
/// <param name="ByteHitRatio">Bytes from the cache, of those and what was fetched; null before the first.</param>
internal sealed record RequestStatistics(
    long Hits, long Misses, double? HitRatio, long BytesFromCache, long BytesFetched, double? ByteHitRatio, long Evictions);

/// <param name="Errors">429, 5xx, and no answer.</param>
/// <param name="RateLimitRemaining">As the upstream last said; null where it did not.</param>
internal sealed record UpstreamStatistics(string Name, long Requests, long Errors, long? RateLimitRemaining);

/// <param name="Name">As every verb names it (<see cref="RepositoryRouter.NameOf"/>).</param>
/// <param name="Bytes">What several repositories share counts for each.</param>
internal sealed record RepositoryStatistics(string Name, long Bytes);
