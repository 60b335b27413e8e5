using System.Diagnostics.Metrics;

namespace Gateway.Replicas;

/// <summary>Metrics of replicas. No label holds a digest or an address.</summary>
internal static class ReplicaMetrics
{
    public const string MeterName = "Gateway.Replicas";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Leases =
        Meter.CreateCounter<long>("gateway.replica.leases", description: "Turns of this replica's fetches among the replicas.");

    private static readonly Counter<long> Bytes =
        Meter.CreateCounter<long>("gateway.replica.peer.bytes", "By", "Content received from other replicas, and sent to them.");

    private static readonly Histogram<double> RedisTime = Meter.CreateHistogram(
        "gateway.replica.redis.duration", "s", "Time until Redis answered a script, or was given up.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.0005, 0.001, 0.005, 0.02, 0.05, 0.1, 0.2] });

    /// <param name="turn">
    /// led (fetched from the upstream for all), followed (read from another replica), alone (fetched for itself), or taken (took over from
    /// a replica that did not serve).
    /// </param>
    public static void Lease(string turn) => Leases.Add(1, new KeyValuePair<string, object?>("turn", turn));

    private static readonly Counter<long> Tags =
        Meter.CreateCounter<long>("gateway.replica.tags", description: "Tags that were fresh because another replica had asked.");

    private static readonly Counter<long> Lost =
        Meter.CreateCounter<long>("gateway.replica.news.lost", description: "Times that news of other replicas were lost.");

    private static readonly Counter<long> PeerFailures = Meter.CreateCounter<long>(
        "gateway.replica.peer.failures", description: "Times that another replica did not serve what it was asked for.");

    private static readonly Counter<long> Refused = Meter.CreateCounter<long>(
        "gateway.replica.refused", description: "Requests to the listener for replicas that were not signed by the secret of the set.");

    private static readonly Counter<long> Hints = Meter.CreateCounter<long>(
        "gateway.replica.hints", description: "Requests to the other replicas which manifests name some content.");

    /// <param name="result">found, none, or busy (not asked, because too many such requests were under way).</param>
    public static void Hint(string result) => Hints.Add(1, new KeyValuePair<string, object?>("result", result));

    /// <param name="reason">
    /// stopped (closed, silent, or without the content), wrong (other bytes than the digest says), or refused (it does not accept this
    /// replica's signature or certificate, or this replica does not accept its certificate), late (it did not say in time whether it has
    /// the content, or could not be reached), or slow (it was not asked, because it was late some seconds ago).
    /// </param>
    public static void PeerFailed(string reason) => PeerFailures.Add(1, new KeyValuePair<string, object?>("reason", reason));

    /// <summary>Counts a request that was refused here.</summary>
    public static void RefusedPeer() => Refused.Add(1);

    public static void SharedTag() => Tags.Add(1);

    public static void NewsLost() => Lost.Add(1);

    public static void Received(long bytes) => Bytes.Add(bytes, new KeyValuePair<string, object?>("direction", "received"));

    public static void Sent(long bytes) => Bytes.Add(bytes, new KeyValuePair<string, object?>("direction", "sent"));

    public static void Redis(TimeSpan time, bool answered) =>
        RedisTime.Record(time.TotalSeconds, new KeyValuePair<string, object?>("result", answered ? "answered" : "silent"));
}
