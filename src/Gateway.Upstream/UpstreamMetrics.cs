using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Gateway.Upstream;

/// <summary>What is counted about upstreams. Labels are keys of the configuration, nouns and statuses: bounded.</summary>
internal sealed class UpstreamMetrics : IDisposable
{
    /// <summary>Name of the meter that an exporter listens to.</summary>
    public const string MeterName = "Gateway.Upstream";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _durations;
    private readonly Counter<long> _tokenRequests;

    /// <param name="configured">The upstreams as they are now.</param>
    public UpstreamMetrics(Func<IEnumerable<UpstreamRegistry>> configured)
    {
        _requests = _meter.CreateCounter<long>("gateway.upstream.requests", description: "Requests to upstreams, without redirects.");
        _durations = _meter.CreateHistogram<double>("gateway.upstream.request.duration", "s", "Time until an upstream's final headers.");
        _tokenRequests = _meter.CreateCounter<long>("gateway.upstream.token.requests", description: "Tokens asked for.");
        _meter.CreateObservableGauge(
            "gateway.upstream.up",
            () => configured().Select(u => new Measurement<int>(u.IsUp ? 1 : 0, Label(u.Options.Key))),
            description: "1 while an endpoint of the upstream may be asked, 0 while every one is left alone.");
        _meter.CreateObservableGauge(
            "gateway.upstream.ratelimit.limit", () => RateLimits(configured(), left => left.Limit),
            description: "Requests of one window that the upstream's rate limit allows an account.");
        _meter.CreateObservableGauge(
            "gateway.upstream.ratelimit.remaining", () => RateLimits(configured(), left => left.Remaining),
            description: "Requests that the upstream's rate limit leaves an account, as it last said.");
    }

    /// <param name="code">The status, or 0 when there was none.</param>
    public void Requested(string upstream, UpstreamNoun noun, int code, TimeSpan duration)
    {
        var kind = noun switch
        {
            UpstreamNoun.Manifest => "manifest",
            UpstreamNoun.Blob => "blob",
            UpstreamNoun.Tags => "tags",
            UpstreamNoun.Upload => "upload",
            UpstreamNoun.Catalog => "catalog",
            _ => "referrers",
        };
        _requests.Add(1, new TagList { { "upstream", upstream }, { "kind", kind }, { "code", code == 0 ? "error" : code } });
        _durations.Record(duration.TotalSeconds, Label(upstream));
    }

    /// <param name="result"><c>ok</c>, <c>refused</c> or <c>failed</c>.</param>
    public void TokenRequested(string result) => _tokenRequests.Add(1, new KeyValuePair<string, object?>("result", result));

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<Measurement<long>> RateLimits(IEnumerable<UpstreamRegistry> configured, Func<RateLimit, long> value) =>
        from upstream in configured
        from account in upstream.Accounts
        let left = account.Budget.Left
        where left is not null
        select new Measurement<long>(value(left.Value), Label(upstream.Options.Key), new("credential", account.Name));

    private static KeyValuePair<string, object?> Label(string upstream) => new("upstream", upstream);
}
