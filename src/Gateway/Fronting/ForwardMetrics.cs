using System.Diagnostics.Metrics;
using Gateway.Upstream;

namespace Gateway.Fronting;

/// <summary>Metrics of forwarding. No label holds a repository or a digest.</summary>
internal static class ForwardMetrics
{
    public const string MeterName = "Gateway.Fronting";

    private static readonly Meter Meter = new(MeterName);

    private static readonly Counter<long> Bytes =
        Meter.CreateCounter<long>("gateway.forward.bytes", "By", "Bytes of blobs and manifests sent to an upstream.");

    private static readonly Counter<long> Failures =
        Meter.CreateCounter<long>("gateway.forward.failures", description: "Forwards that failed, once for each attempt.");

    public static void Sent(string upstream, long bytes) => Bytes.Add(bytes, new KeyValuePair<string, object?>("upstream", upstream));

    public static void Failed(string upstream, UpstreamFailure why) =>
        Failures.Add(1, new("upstream", upstream), new("reason", why.ToString().ToLowerInvariant()));
}
