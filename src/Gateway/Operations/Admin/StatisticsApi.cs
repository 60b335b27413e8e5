using System.Globalization;
using Gateway.Configuration;
using Gateway.PullThrough;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Operations;

/// <summary>Statistics in the admin API.</summary>
internal sealed class StatisticsApi(
    ICurrent<RepositoryRouter> current, CachedRepositories cached, Eviction eviction, VolumeHealth storage, FetchTable fetches,
    UpstreamRegistries upstreams, Totals totals)
    : IAdminNoun
{
    private const int DefaultTop = 10;

    public IEnumerable<AdminEndpoint> Endpoints => [AdminCalls.Stats.By(ReadAsync)];

    private async ValueTask<Statistics?> ReadAsync(IQueryCollection query, CancellationToken cancellationToken)
    {
        var router = current.Value;
        var options = router.Options;
        var top = int.TryParse(query["top"], NumberStyles.None, CultureInfo.InvariantCulture, out var asked)
            ? Math.Min(asked, Statistics.MaxTop)
            : DefaultTop;
        await eviction.Counted.WaitAsync(cancellationToken);
        var repositories = await Task.Run(() => Statistics.Top(cached, router, top, cancellationToken));
        return new(
            Statistics.CacheOf(eviction, storage, options.Cache, fetches.Count),
            Statistics.RequestsOf(totals),
            [.. options.Upstreams.Values.Select(each => Statistics.UpstreamOf(totals, each, upstreams.RateLimitRemaining(each.Key)))],
            repositories);
    }
}
