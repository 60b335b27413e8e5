using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Gateway.Upstream;

/// <summary>The metrics of upstreams. Label values are configuration keys, nouns and statuses, so their number is bounded.</summary>
internal sealed class UpstreamMetrics : IDisposable
{
    /// <summary>The name of the meter, for exporters.</summary>
    public const string MeterName = "Gateway.Upstream";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _durations;
    private readonly Counter<long> _tokenRequests;

    /// <summary>Creates the meter and its instruments.</summary>
    /// <param name="configured">Returns the current upstreams.</param>
    public UpstreamMetrics(Func<IEnumerable<UpstreamRegistry>> configured)
    {
        _requests = _meter.CreateCounter<long>("gateway.upstream.requests", description: "Requests to upstreams, without redirects.");
        _durations = _meter.CreateHistogram<double>("gateway.upstream.request.duration", "s", "Time until an upstream's final headers.");
        _tokenRequests = _meter.CreateCounter<long>("gateway.upstream.token.requests", description: "Token requests to token servers.");
        _meter.CreateObservableGauge(
            "gateway.upstream.up",
            () => configured().Select(u => new Measurement<int>(u.IsUp ? 1 : 0, Label(u.Options.Key))),
            description: "1 if the gateway can send requests to an endpoint of the upstream, 0 if all breakers are open.");
        _meter.CreateObservableGauge(
            "gateway.upstream.ratelimit.limit", () => RateLimits(configured(), budget => budget.Limit),
            description: "Requests that the upstream's rate limit allows an account in one window.");
        _meter.CreateObservableGauge(
            "gateway.upstream.ratelimit.remaining", () => RateLimits(configured(), budget => budget.Remaining),
            description: "Requests that remain of an account's rate limit, as the upstream last stated.");
    }

    /// <summary>Counts a request to an upstream.</summary>
    /// <param name="upstream">The upstream's key in the configuration.</param>
    /// <param name="noun">The kind of path.</param>
    /// <param name="code">The HTTP status; 0 if there was no response.</param>
    /// <param name="duration">The time until the final headers.</param>
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

    /// <summary>Counts a token request.</summary>
    /// <param name="result"><c>ok</c>, <c>refused</c> or <c>failed</c>.</param>
    public void TokenRequested(string result) => _tokenRequests.Add(1, new KeyValuePair<string, object?>("result", result));

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<Measurement<long>> RateLimits(IEnumerable<UpstreamRegistry> configured, Func<RateLimit, long> value) =>
        from upstream in configured
        from account in upstream.Accounts
        let budget = account.Budget.RateLimit
        where budget is not null
        select new Measurement<long>(value(budget.Value), Label(upstream.Options.Key), new("credential", account.Name));

    private static KeyValuePair<string, object?> Label(string upstream) => new("upstream", upstream);
}
