using System.Diagnostics.Metrics;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary>Facts about this process and its volume that nobody counts as they happen.</summary>
internal sealed class ProcessMetrics : IDisposable
{
    private readonly Meter _meter = new("Gateway.Process");

    public ProcessMetrics(string version, Volume volume, Func<bool> lastReloadSucceeded)
    {
        _meter.CreateObservableGauge(
            "gateway_build_info",
            () => new Measurement<long>(1, new("version", version), new("runtime", Environment.Version.ToString())),
            description: "Always 1; what runs is in the labels.");
        _meter.CreateObservableGauge("gateway_disk_free_bytes", () => volume.FreeBytes, description: "Bytes free on the volume.");
        _meter.CreateObservableGauge(
            "gateway_disk_writable",
            () => volume.ReadOnlyBecause is null ? 1L : 0L,
            description: "Whether the volume takes writes; /readyz says why not.");
        _meter.CreateObservableGauge(
            "gateway_config_last_reload_success",
            () => lastReloadSucceeded() ? 1L : 0L,
            description: "Whether the configuration file as it is now is in force.");
    }

    public void Dispose() => _meter.Dispose();
}
