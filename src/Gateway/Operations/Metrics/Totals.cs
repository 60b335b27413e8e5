using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Gateway.Operations;

/// <summary>Sums of some counters since the start of this process, for operators without a metrics system.</summary>
internal sealed class Totals : IDisposable
{
    private static readonly string[] Counted =
    [
        "gateway.cache.requests", "gateway.cache.bytes", "gateway.cache.evictions", "gateway.upstream.requests", "gateway.policy.verdicts",
        "gateway.s3.requests",
    ];

    private readonly MeterListener _listener = new();
    // Labels are keys of the configuration, routes and statuses, so their number is bounded.
    private readonly ConcurrentDictionary<(string Counter, string Upstream, string Label), long> _sums = new();

    public Totals()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (Counted.Contains(instrument.Name)) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            var (upstream, label) = ("", "");
            foreach (var (key, tag) in tags)
            {
                if (key is "upstream" or "rule") upstream = tag?.ToString() ?? "";
                else if (key is "result" or "direction" or "code" or "verdict") label = tag?.ToString() ?? "";
            }
            _sums.AddOrUpdate((instrument.Name, upstream, label), value, (_, sum) => sum + value);
        });
        _listener.Start();
    }

    /// <summary>The sum of a counter over the upstreams and labels that the predicate accepts.</summary>
    public long Sum(string counter, Func<string, string, bool> which) =>
        _sums.Where(each => each.Key.Counter == counter && which(each.Key.Upstream, each.Key.Label)).Sum(each => each.Value);

    public void Dispose() => _listener.Dispose();
}
