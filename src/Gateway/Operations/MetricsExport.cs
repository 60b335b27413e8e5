using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Gateway.Operations;

/// <summary>All metrics of this process, collected when somebody asks for them.</summary>
internal sealed class MetricsExport : IDisposable
{
    // Collection reads counters in memory; a callback of some gauge may stat a volume.
    private const int TimeoutMilliseconds = 5000;

    private readonly Exporter _exporter = new();
    private readonly Lock _collecting = new();
    private readonly MeterProvider _provider;

    public MetricsExport() => _provider = Sdk.CreateMeterProviderBuilder()
        .AddMeter("Gateway.*", "System.Runtime", "System.Net.Http", "Microsoft.AspNetCore.Server.Kestrel")
        .AddReader(new BaseExportingMetricReader(_exporter))
        .Build();

    /// <summary>The text of all metrics as they are now; null when they could not be collected in time.</summary>
    public string? Collect()
    {
        lock (_collecting)
        {
            return _exporter.Collect?.Invoke(TimeoutMilliseconds) == true ? _exporter.Text : null;
        }
    }

    public void Dispose()
    {
        _provider.Dispose();
        _exporter.Dispose();
    }

    [ExportModes(ExportModes.Pull)]
    private sealed class Exporter : BaseExporter<Metric>, IPullMetricExporter
    {
        public Func<int, bool>? Collect { get; set; }

        public string Text { get; private set; } = "";

        public override ExportResult Export(in Batch<Metric> batch)
        {
            var text = new PrometheusText();
            foreach (var metric in batch) text.Add(metric);
            Text = text.ToString();
            return ExportResult.Success;
        }
    }
}
