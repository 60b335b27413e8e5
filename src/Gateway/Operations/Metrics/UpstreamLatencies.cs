using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Gateway.Operations;

/// <summary>How long upstreams took until the headers of their answers, in the last five minutes.</summary>
internal sealed class UpstreamLatencies : IDisposable
{
    private const int Minutes = 6;

    private readonly MeterListener _listener = new();

    // Keys of the configuration, so their number is bounded.
    private readonly ConcurrentDictionary<string, LatencyRing> _rings = new(StringComparer.Ordinal);

    public UpstreamLatencies()
    {
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Name == "gateway.upstream.request.duration") listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
        {
            foreach (var (key, tag) in tags)
            {
                if (key == "upstream" && tag is string upstream)
                    _rings.GetOrAdd(upstream, static _ => new(Minutes)).Note(Environment.TickCount64, TimeSpan.FromSeconds(value));
            }
        });
        _listener.Start();
    }

    /// <summary>The times of an upstream; null for no request.</summary>
    public LatencyView? Of(string upstream) =>
        _rings.TryGetValue(upstream, out var ring) ? ring.View(Environment.TickCount64) : null;

    public void Dispose() => _listener.Dispose();
}
