using Gateway.Configuration;
using Gateway.PullThrough;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Operations.ReadModels;

/// <summary>What the gateway saved, how it is, and what needs a person.</summary>
/// <param name="Window"><c>hour</c>, <c>day</c> or <c>month</c> (30 days).</param>
/// <param name="Buckets">Each step of the window, the oldest first.</param>
/// <param name="Disk">The cache and its disk.</param>
/// <param name="Held">Number of held pushes.</param>
/// <param name="Refusals">The latest decisions that refused or warned, the latest first.</param>
/// <param name="Problems">What keeps the gateway from working well.</param>
public sealed record OverviewPage(
    string Window, IReadOnlyList<SavedBucket> Buckets, DiskState Disk, IReadOnlyList<UpstreamState> Upstreams, int Held, bool HasMoreHeld,
    IReadOnlyList<RefusalRow> Refusals, IReadOnlyList<string> Problems)
{
    /// <summary>The time to the first byte of manifests in the last five minutes; null for no request.</summary>
    public LatencyView? Manifests { get; init; }

    /// <summary>The same for blobs.</summary>
    public LatencyView? Blobs { get; init; }
}

/// <summary>The cache and its disk.</summary>
/// <param name="Cached">Bytes of cached content.</param>
/// <param name="MaxBytes">The limit of cached content: beyond it, content is evicted.</param>
/// <param name="Free">Bytes free on the volume.</param>
/// <param name="KeepFree">The limit of free bytes: below it, nothing more is cached.</param>
public sealed record DiskState(long Cached, long MaxBytes, int Contents, long Free, long KeepFree, long Evictions);

/// <param name="IsUp">Whether a request can be sent: false while the breakers of all endpoints are open.</param>
/// <param name="HitRatio">Share of requests that were answered from the cache since the start; null before the first.</param>
/// <param name="Errors">429, 5xx, and no answer, since the start.</param>
/// <param name="RateLimit">Requests that one window allows; null when the upstream states none.</param>
/// <param name="RateRemaining">Those that remain.</param>
public sealed record UpstreamState(
    string Name, bool IsUp, double? HitRatio, long Requests, long Errors, long? RateLimit, long? RateRemaining)
{
    /// <summary>When the rate limit is whole again; null when the upstream states none.</summary>
    public DateTimeOffset? RateResets { get; init; }

    /// <summary>The time until the headers of its answers in the last five minutes; null for no request.</summary>
    public LatencyView? Latency { get; init; }
}

/// <summary>A decision that refused or warned.</summary>
public sealed record RefusalRow(
    string Id, DateTimeOffset Time, string Actor, string Stage, string Repository, string Reference, string Outcome, string? Rule,
    string Message);

/// <summary>Makes the overview.</summary>
internal sealed class OverviewPages(
    StoredGates gates, SavedSamples samples, HoldPages holds, Decisions decisions, Totals totals, UpstreamRegistries upstreams,
    Eviction eviction, VolumeHealth storage, Health health, ConfigurationInForce inForce, RequestMetrics requests,
    UpstreamLatencies latencies)
{
    private const int MostRefusals = 8;

    /// <param name="window">Any other text than a window's name is <c>day</c>.</param>
    public async ValueTask<OverviewPage> ReadAsync(Viewer viewer, string? window, CancellationToken cancellationToken)
    {
        var name = SavedSamples.WindowOf(window);
        var options = inForce.Current;
        var held = await holds.ReadAsync(viewer, null, null, cancellationToken);
        return new(
            name, samples.Of(name),
            new(
                eviction.Bytes, options.Cache.MaxSize, eviction.Count, storage.FreeBytes, options.Cache.KeepFree,
                totals.Sum("gateway.cache.evictions", static (_, _) => true)),
            [.. gates.Options.Upstreams.Values.Select(StateOf)], held.Items.Count, held.Next is not null,
            [.. decisions.Recent().Take(MostRefusals).Select(RowOf)],
            [.. health.Problems().Select(static p => $"{p.Check}: {p.Problem}"), .. health.Warnings()])
        {
            Manifests = requests.Pulse.Manifests, Blobs = requests.Pulse.Blobs,
        };
    }

    private UpstreamState StateOf(UpstreamOptions upstream)
    {
        var statistics = Statistics.UpstreamOf(totals, upstream, null);
        var counted = Statistics.RequestsOf(totals, upstream.Key);
        var (isUp, limit) = upstreams.StateOf(upstream.Key);
        return new(
            upstream.Key, isUp, counted.HitRatio, statistics.Requests, statistics.Errors, limit?.Limit, limit?.Remaining)
        {
            RateResets = limit is null ? null : upstreams.RateLimitResets(upstream.Key), Latency = latencies.Of(upstream.Key),
        };
    }

    public static RefusalRow RowOf(Decision decision) => new(
        decision.Id, decision.Time, decision.Actor, ExplanationForm.Name(decision.Stage), decision.Repository.Value, decision.Reference,
        ExplanationForm.Name(decision.Verdict.Outcome), decision.Verdict.Reasons.FirstOrDefault()?.Rule, decision.Message);
}
