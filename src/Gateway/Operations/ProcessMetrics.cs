using System.Diagnostics.Metrics;
using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.Operations;

/// <summary>Facts about this process and its volume that nobody counts as they happen.</summary>
internal sealed partial class ProcessMetrics : IDisposable
{
    private readonly Meter _meter = new("Gateway.Process");

    /// <summary>Whether what the configuration said when it was last read holds.</summary>
    public bool IsReloaded { get; set; } = true;

    /// <param name="sources">Where identities are known from, each with what is wrong there.</param>
    public ProcessMetrics(string version, Volume volume, Func<IEnumerable<(string Source, string? Problem)>> sources)
    {
        _meter.CreateObservableGauge(
            "gateway.access.readable",
            () => sources().Select(s =>
                new Measurement<long>(s.Problem is null ? 1 : 0, new KeyValuePair<string, object?>("source", s.Source))),
            description: "0 while accounts or an issuer's keys cannot be read, and those read before are in force.");
        _meter.CreateObservableGauge(
            "gateway.build_info",
            () => new Measurement<long>(1, new("version", version), new("runtime", Environment.Version.ToString())),
            description: "Always 1; what runs is in the labels.");
        _meter.CreateObservableGauge("gateway.disk.free", () => volume.FreeBytes, "By", description: "Bytes free on the volume.");
        _meter.CreateObservableGauge("gateway.uploads.in_progress", () => volume.Uploads.Count, description: "Open upload sessions.");
        _meter.CreateObservableGauge(
            "gateway.disk.writable",
            () => volume.ReadOnlyBecause is null ? 1L : 0L,
            description: "Whether the volume takes writes; /readyz says why not.");
        _meter.CreateObservableGauge(
            "gateway.clock.behind", () => volume.Steady.Behind.TotalSeconds, "s",
            description: "How far the system's clock is behind the latest moment seen.");
        _meter.CreateObservableGauge(
            "gateway.descriptors.open", () => (long)Descriptors.InUse, description: "File descriptors in use, of files and connections.");
        _meter.CreateObservableGauge(
            "gateway.descriptors.limit", () => (long)Limit, description: "File descriptors that the process may have (RLIMIT_NOFILE).");
        _meter.CreateObservableGauge(
            "gateway.config.last_reload_success",
            () => IsReloaded ? 1L : 0L,
            description: "0 while the configuration that was read last is not in force; the log says why.");
    }

    private static readonly int Limit = Descriptors.Measure().Limit;

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Open files limit is {Limit} and {Left} are left for clients and content; raise it to 4096 or more "
            + "(LimitNOFILE= of systemd, --ulimit nofile= of docker)")]
    public static partial void LogFew(ILogger logger, int limit, int left);

    public void Dispose() => _meter.Dispose();
}
