using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Gateway.Operations;

/// <summary>Sums of the counters that an operator asks for without a metrics system, since this process started.</summary>
internal sealed class Totals : IDisposable
{
    private static readonly string[] Counted =
        ["gateway.cache.requests", "gateway.cache.bytes", "gateway.cache.evictions", "gateway.upstream.requests"];

    private readonly MeterListener _listener = new();
    // Labels are keys of the configuration, nouns and statuses: bounded.
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
                if (key == "upstream") upstream = tag?.ToString() ?? "";
                else if (key is "result" or "direction" or "code") label = tag?.ToString() ?? "";
            }
            _sums.AddOrUpdate((instrument.Name, upstream, label), value, (_, sum) => sum + value);
        });
        _listener.Start();
    }

    /// <summary>The sum of a counter over what the predicate takes of upstream and label.</summary>
    public long Sum(string counter, Func<string, string, bool> which) =>
        _sums.Where(each => each.Key.Counter == counter && which(each.Key.Upstream, each.Key.Label)).Sum(each => each.Value);

    public void Dispose() => _listener.Dispose();
}
