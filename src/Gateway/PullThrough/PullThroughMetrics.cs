using System.Diagnostics.Metrics;

namespace Gateway.PullThrough;

/// <summary>Metrics of pull-through repositories. No label holds a repository or a digest.</summary>
internal static class PullThroughMetrics
{
    public const string MeterName = "Gateway.PullThrough";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Requests =
        Meter.CreateCounter<long>("gateway.cache.requests", description: "Answers of pull-through repositories, by cache handling.");

    private static readonly Counter<long> Bytes =
        Meter.CreateCounter<long>(
            "gateway.cache.bytes", "By", "Content fetched from upstreams, and content served in pull-through repositories.");

    private static readonly Counter<long> IntegrityFailures =
        Meter.CreateCounter<long>("gateway.integrity.failures", description: "Content that did not have its digest.");

    private static readonly Counter<long> ListsCut =
        Meter.CreateCounter<long>("gateway.upstream.lists.cut", description: "Lists of tags that were too long to be read to their end.");

    public static readonly UpDownCounter<long> FetchesInFlight =
        Meter.CreateUpDownCounter<long>("gateway.fetches.in_flight", description: "Blobs that are being fetched.");

    public static readonly Counter<long> FetchResumes =
        Meter.CreateCounter<long>("gateway.fetch.resumes", description: "Downloads that were resumed after an interruption.");

    private static readonly Counter<long> Ranges =
        Meter.CreateCounter<long>("gateway.fetch.ranges", description: "Ranges requested beside a download's own connection.");

    /// <param name="kind">early (for a reader far ahead) or beside (to speed up the fetch).</param>
    public static void Range(string kind) => Ranges.Add(1, new KeyValuePair<string, object?>("kind", kind));

    public static readonly UpDownCounter<long> PrefetchesWaiting =
        Meter.CreateUpDownCounter<long>("gateway.prefetch.waiting", description: "Prefetches that wait for a worker.");

    private static readonly Counter<long> Prefetches =
        Meter.CreateCounter<long>("gateway.prefetch.blobs", description: "Blobs that were prefetched.");

    public static void Prefetched(bool kept) => Prefetches.Add(1, new KeyValuePair<string, object?>("result", kept ? "kept" : "failed"));

    public static void ListCut(string upstream) => ListsCut.Add(1, new KeyValuePair<string, object?>("upstream", upstream));

    private static readonly Counter<long> Subjects =
        Meter.CreateCounter<long>("gateway.prefetch.referrers", description: "Manifests whose referrers were fetched with them.");

    /// <param name="result">kept, none, failed (some of them), or held (the rate budget is too low).</param>
    public static void ReferrersAhead(string result) => Subjects.Add(1, new KeyValuePair<string, object?>("result", result));

    /// <param name="kind">tag, manifest, blob, referrers, tags, or proof (of a client's right at a passthrough upstream).</param>
    /// <param name="result">hit, miss, stale, revalidated, coalesced, bypass, absent or unavailable.</param>
    public static void Request(string upstream, string kind, string result) =>
        Requests.Add(1, new("upstream", upstream), new("kind", kind), new("result", result));

    public static void Fetched(string upstream, long bytes) => Bytes.Add(bytes, new("upstream", upstream), new("direction", "fetched"));

    public static void Served(string upstream, long bytes) => Bytes.Add(bytes, new("upstream", upstream), new("direction", "served"));

    public static void IntegrityFailure(string where) => IntegrityFailures.Add(1, new KeyValuePair<string, object?>("where", where));
}
