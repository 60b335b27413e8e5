using System.Diagnostics;
using System.Diagnostics.Metrics;
using Gateway.Policy;

namespace Gateway.Repositories;

/// <summary>
/// Counts verdicts by the rule that decided. The label values are rules of the configuration, so their number is bounded.
/// </summary>
internal static class PolicyMetrics
{
    private static readonly Meter Meter = new("Gateway.Policy");

    private static readonly Counter<long> Verdicts =
        Meter.CreateCounter<long>("gateway.policy.verdicts", description: "Verdicts, by the rule that decided.");

    private static readonly Histogram<double> Durations = Meter.CreateHistogram(
        "gateway.policy.duration",
        "s",
        "Time to evaluate one manifest.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.00001, 0.0001, 0.001, 0.01, 0.1, 1] });

    private static readonly Histogram<double> Readings = Meter.CreateHistogram(
        "gateway.policy.content.duration",
        "s",
        "Time to read one blob for truthfulMedia or layerDigestCheck, by whether it could be read.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.01, 0.1, 1, 10, 100] });

    /// <summary>Counts one blob that was read; the reading began at this timestamp of <see cref="Stopwatch"/>.</summary>
    public static void LookedThrough(Content content, long begun) =>
        Readings.Record(Stopwatch.GetElapsedTime(begun).TotalSeconds, new KeyValuePair<string, object?>("read", !content.IsUnread));

    /// <summary>Counts one verdict; the evaluation began at this timestamp of <see cref="Stopwatch"/>.</summary>
    public static void Evaluated(Verdict verdict, long begun)
    {
        var rule = verdict.Reasons.IsEmpty ? "none" : verdict.Reasons[0].Rule;
        Verdicts.Add(1, new TagList { { "rule", rule }, { "verdict", Name(verdict.Outcome) } });
        Durations.Record(Stopwatch.GetElapsedTime(begun).TotalSeconds);
    }

    private static string Name(Outcome outcome) => outcome switch
    {
        Outcome.Allow => "allow",
        Outcome.Warn => "warn",
        Outcome.Quarantine => "quarantine",
        _ => "deny",
    };
}
