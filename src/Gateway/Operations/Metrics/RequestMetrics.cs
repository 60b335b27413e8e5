using System.Diagnostics;
using System.Diagnostics.Metrics;
using Gateway.PullThrough;

namespace Gateway.Operations;

/// <summary>
/// Counts requests. No label has values that a client chooses: an unknown method is <c>OTHER</c>, a path is its route.
/// </summary>
internal sealed class RequestMetrics : IDisposable
{
    // From a warm manifest (well below a millisecond) to a large blob over a slow connection.
    private static readonly double[] DurationBuckets =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private static readonly string[] KnownMethods = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"];

    private readonly Meter _meter = new("Gateway.Http");
    private readonly PullCounts? _pulls;
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _duration;
    private readonly UpDownCounter<long> _inFlight;
    private readonly Counter<long> _responseBytes;
    private readonly Counter<long> _requestBytes;

    /// <param name="pulls">Counts pulls; null where they are not needed.</param>
    public RequestMetrics(PullCounts? pulls = null)
    {
        _pulls = pulls;
        _requests = _meter.CreateCounter<long>("gateway.http.requests", description: "Requests answered or aborted.");
        _duration = _meter.CreateHistogram(
            "gateway.http.request.duration",
            "s",
            description: "Time from the request's head to the last byte of the response.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = DurationBuckets });
        _inFlight = _meter.CreateUpDownCounter<long>("gateway.http.requests.in_flight", description: "Requests in progress.");
        _responseBytes = _meter.CreateCounter<long>("gateway.http.response.bytes", "By", description: "Bytes of bodies sent to clients.");
        _requestBytes = _meter.CreateCounter<long>("gateway.upload.bytes", "By", description: "Bytes of bodies received from clients.");
    }

    /// <summary>What the pages show of requests.</summary>
    public RequestPulse Pulse { get; } = new();

    public void Began() => _inFlight.Add(1);

    /// <param name="canonical">The canonical name of the repository; null when the request was not routed to one.</param>
    public void Ended(RequestRecord record, string? canonical)
    {
        _inFlight.Add(-1);
        Pulse.Note(record);
        _pulls?.Note(record, canonical);
        var method = Array.IndexOf(KnownMethods, record.Method) < 0 ? "OTHER" : record.Method;
        var code = Codes[Math.Clamp(record.Status, 0, Codes.Length - 1)];
        _requests.Add(1, new TagList { { "route", record.Route }, { "method", method }, { "code", code } });
        _duration.Record(record.Duration.TotalSeconds, new TagList { { "route", record.Route }, { "method", method } });
        if (record.BytesSent > 0) _responseBytes.Add(record.BytesSent, new KeyValuePair<string, object?>("route", record.Route));
        // Counts the bytes sent, whole or in ranges, from the disk or during a fetch.
        if (record is { Route: "blob", Upstream: { } upstream, Status: < 400, BytesSent: > 0 and var sent })
            PullThroughMetrics.Served(upstream, sent);
        if (record.BytesRead > 0) _requestBytes.Add(record.BytesRead, new KeyValuePair<string, object?>("route", record.Route));
    }

    // One object for each status that HTTP can have; boxing the tag would allocate one for each request.
    private static readonly object[] Codes = [.. Enumerable.Range(0, 600).Select(static status => (object)status)];

    public void Dispose() => _meter.Dispose();
}
