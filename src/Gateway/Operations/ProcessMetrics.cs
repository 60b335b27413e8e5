using System.Diagnostics.Metrics;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.Operations;

/// <summary>Facts about this process and its volume that nobody counts as they happen.</summary>
internal sealed class ProcessMetrics : IHostedService, IDisposable
{
    private readonly Meter _meter = new("Gateway.Process");

    private readonly Volume _volume;
    private readonly Reloads _reloads;
    private readonly ICurrent<AccessControl> _access;

    public ProcessMetrics(Volume volume, Reloads reloads, ICurrent<AccessControl> access) =>
        (_volume, _reloads, _access) = (volume, reloads, access);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _meter.CreateObservableGauge(
            "gateway.access.readable",
            () => _access.Value.Sources.Select(s =>
                new Measurement<long>(s.Problem is null ? 1 : 0, new KeyValuePair<string, object?>("source", s.Source))),
            description: "0 while accounts or an issuer's keys cannot be read, and those read before are in force.");
        _meter.CreateObservableGauge(
            "gateway.build_info",
            () => new Measurement<long>(1, new("version", BuildInfo.Version), new("runtime", Environment.Version.ToString())),
            description: "Always 1; what runs is in the labels.");
        _meter.CreateObservableGauge("gateway.disk.free", () => _volume.FreeBytes, "By", description: "Bytes free on the volume.");
        _meter.CreateObservableGauge("gateway.uploads.in_progress", () => _volume.Uploads.Count, description: "Open upload sessions.");
        _meter.CreateObservableGauge(
            "gateway.disk.writable",
            () => _volume.ReadOnlyBecause is null ? 1L : 0L,
            description: "Whether the volume takes writes; /readyz says why not.");
        _meter.CreateObservableGauge(
            "gateway.clock.behind", () => _volume.Steady.Behind.TotalSeconds, "s",
            description: "How far the system's clock is behind the latest moment seen.");
        _meter.CreateObservableGauge(
            "gateway.descriptors.open", () => (long)Descriptors.InUse, description: "File descriptors in use, of files and connections.");
        _meter.CreateObservableGauge(
            "gateway.descriptors.limit", () => (long)Limit, description: "File descriptors that the process may have (RLIMIT_NOFILE).");
        _meter.CreateObservableGauge(
            "gateway.config.last_reload_success",
            () => _reloads.Problem is null ? 1L : 0L,
            description: "0 while the configuration that was read last is not in force; the log says why.");
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static readonly int Limit = Descriptors.Measure().Limit;

    public void Dispose() => _meter.Dispose();
}
