using System.Diagnostics.Metrics;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.Operations;

/// <summary>Metrics of this process and its volume that are read on collection.</summary>
internal sealed class ProcessMetrics : IHostedService, IDisposable
{
    private readonly Meter _meter = new("Gateway.Process");

    private readonly VolumeHealth _health;
    private readonly Uploads _uploads;
    private readonly SteadyClock _steady;
    private readonly Reloads _reloads;
    private readonly ICurrent<AccessControl> _access;

    public ProcessMetrics(
        VolumeHealth health, Uploads uploads, SteadyClock steady, Reloads reloads, ICurrent<AccessControl> access) =>
        (_health, _uploads, _steady, _reloads, _access) = (health, uploads, steady, reloads, access);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _meter.CreateObservableGauge(
            "gateway.access.readable",
            () => _access.Value.Sources.Select(s =>
                new Measurement<long>(s.Problem is null ? 1 : 0, new KeyValuePair<string, object?>("source", s.Source))),
            description: "0 while accounts or an issuer's keys cannot be read; the previous ones stay in force.");
        _meter.CreateObservableGauge(
            "gateway.build_info",
            () => new Measurement<long>(1, new("version", BuildInfo.Version), new("runtime", Environment.Version.ToString())),
            description: "Always 1; the labels have the version and runtime.");
        _meter.CreateObservableGauge("gateway.disk.free", () => _health.FreeBytes, "By", description: "Bytes free on the volume.");
        _meter.CreateObservableGauge("gateway.uploads.in_progress", () => _uploads.Count, description: "Open upload sessions.");
        _meter.CreateObservableGauge(
            "gateway.disk.writable",
            () => _health.ReadOnlyBecause is null ? 1L : 0L,
            description: "Whether the volume accepts writes; /readyz has the reason if not.");
        _meter.CreateObservableGauge(
            "gateway.clock.behind", () => _steady.Behind.TotalSeconds, "s",
            description: "Difference between the latest moment seen and the system's clock, if the clock is behind.");
        _meter.CreateObservableGauge(
            "gateway.descriptors.open", () => (long)Descriptors.InUse, description: "File descriptors in use, for files and connections.");
        _meter.CreateObservableGauge(
            "gateway.descriptors.limit", () => (long)Limit, description: "Maximum file descriptors of the process (RLIMIT_NOFILE).");
        _meter.CreateObservableCounter(
            "gateway.content.hashed.bytes", () => ContentHash.TotalBytes, "By", "Bytes of content whose digest was computed.");
        _meter.CreateObservableGauge(
            "gateway.config.last_reload_success",
            () => _reloads.Problem is null ? 1L : 0L,
            description: "0 while the last configuration read is not in force; the log has the reason.");
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static readonly int Limit = Descriptors.Measure().Limit;

    public void Dispose() => _meter.Dispose();
}
