using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Gateway.Operations;

/// <summary>The text of all metrics of this process, collected when a caller asks for it.</summary>
internal sealed class MetricsExport : IDisposable
{
    // Collection reads counters in memory; a callback of some gauge may stat a volume.
    private const int TimeoutMilliseconds = 5000;

    /// <summary>
    /// The meters whose instruments are exported. The packages for the runtime and for HTTP clients would add the same names only.
    /// </summary>
    public static readonly string[] Meters = ["Gateway.*", "System.Runtime", "System.Net.Http", "Microsoft.AspNetCore.Server.Kestrel"];

    private readonly Exporter _exporter = new();
    private readonly Lock _collecting = new();

    /// <summary>No collection is possible before a provider has <see cref="Reader"/>.</summary>
    public MetricsExport() => Reader = new BaseExportingMetricReader(_exporter);

    /// <summary>The reader for a metrics provider, which disposes it.</summary>
    public MetricReader Reader { get; }

    /// <summary>The text of all metrics as they are now; null if they could not be collected within 5 s.</summary>
    public string? Collect()
    {
        lock (_collecting)
        {
            return _exporter.Collect?.Invoke(TimeoutMilliseconds) == true ? _exporter.Text : null;
        }
    }

    public void Dispose() => _exporter.Dispose();

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
