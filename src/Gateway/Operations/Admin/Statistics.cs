using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Operations;

/// <summary>The result of <c>GET /api/v1/stats</c> and <c>gateway stats</c>.</summary>
/// <param name="Requests">Null if no gateway runs.</param>
internal sealed record Statistics(
    CacheStatistics Cache,
    RequestStatistics? Requests,
    IReadOnlyList<UpstreamStatistics> Upstreams,
    IReadOnlyList<RepositoryStatistics> Repositories)
{
    /// <summary>Maximum number of repositories in the result.</summary>
    public const int MaxTop = 1000;

    /// <summary>Reads the cached content from the disk; for 100,000 links this takes some seconds.</summary>
    public static CacheStatistics CacheOf(Eviction eviction, VolumeHealth health, CacheOptions options, int fetches) =>
        new(eviction.Bytes, options.MaxSize, eviction.Count, health.FreeBytes, options.KeepFree, fetches);

    /// <summary>The repositories with the most bytes on the disk.</summary>
    public static IReadOnlyList<RepositoryStatistics> Top(
        CachedRepositories cached, RepositoryRouter router, int count, CancellationToken cancellationToken)
    {
        var repositories = new List<RepositoryStatistics>();
        foreach (var each in cached.All())
        {
            cancellationToken.ThrowIfCancellationRequested();
            repositories.Add(new(router.NameOf(each.Upstream, each.Name), cached.BytesOf(each)));
        }
        var sorted = repositories.Where(each => each.Bytes > 0).OrderByDescending(each => each.Bytes);
        return [.. sorted.ThenBy(each => each.Name, StringComparer.Ordinal).Take(count)];
    }

    /// <param name="upstream">Key of the only upstream to count; null for all.</param>
    public static RequestStatistics RequestsOf(Totals totals, string? upstream = null)
    {
        var hits = Sum("gateway.cache.requests", static result => result is "hit" or "revalidated" or "stale");
        var misses = Sum("gateway.cache.requests", static result => result is "miss" or "coalesced");
        var served = Sum("gateway.cache.bytes", static direction => direction == "served");
        var fetched = Sum("gateway.cache.bytes", static direction => direction == "fetched");
        var evictions = totals.Sum("gateway.cache.evictions", (_, _) => true);
        return new(hits, misses, Ratio(hits, misses), served, fetched, Ratio(served, fetched), evictions);

        long Sum(string counter, Func<string, bool> which) =>
            totals.Sum(counter, (key, label) => (upstream is null || key == upstream) && which(label));
    }

    public static UpstreamStatistics UpstreamOf(Totals totals, UpstreamOptions upstream, long? rateLimitRemaining) => new(
        upstream.Key,
        totals.Sum("gateway.upstream.requests", (key, _) => key == upstream.Key),
        totals.Sum("gateway.upstream.requests", (key, code) => key == upstream.Key && (code == "error" || code is ['5', ..] or "429")),
        rateLimitRemaining);

    private static double? Ratio(long part, long rest) => part + rest == 0 ? null : Math.Round((double)part / (part + rest), 4);
}

/// <param name="Bytes">Without content that clients also pushed.</param>
/// <param name="Entries">Blobs and manifests.</param>
internal sealed record CacheStatistics(long Bytes, long MaxBytes, int Entries, long DiskFree, long KeepFree, int FetchesUnderWay);

/// <summary>Of pull-through repositories, since the start.</summary>
/// <param name="HitRatio">Of requests; null before the first.</param>
/// <param name="ByteHitRatio">Bytes from the cache, as a share of these and the fetched bytes; null before the first.</param>
internal sealed record RequestStatistics(
    long Hits, long Misses, double? HitRatio, long BytesFromCache, long BytesFetched, double? ByteHitRatio, long Evictions);

/// <param name="Errors">429, 5xx, and no answer.</param>
/// <param name="RateLimitRemaining">The last value from the upstream; null if it stated none.</param>
internal sealed record UpstreamStatistics(string Name, long Requests, long Errors, long? RateLimitRemaining);

/// <param name="Name">The canonical name (<see cref="RepositoryRouter.NameOf"/>).</param>
/// <param name="Bytes">Shared content counts for each of its repositories.</param>
internal sealed record RepositoryStatistics(string Name, long Bytes);
