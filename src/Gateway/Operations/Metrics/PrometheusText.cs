using System.Globalization;
using System.Text;
using OpenTelemetry.Metrics;

namespace Gateway.Operations;

/// <summary>
/// Metrics in Prometheus's text format, version 0.0.4 (prometheus.io, "Exposition formats"): families together, each with one HELP and one
/// TYPE.
/// </summary>
internal sealed class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);

    private sealed record Family(string Name, string Type, string Help)
    {
        public StringBuilder Samples { get; } = new();

        public HashSet<string> LabelSets { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>
    /// Adds one metric. A second metric with the same name joins the first if the type is equal; otherwise it is omitted.
    /// </summary>
    public void Add(Metric metric)
    {
        var type = PrometheusNames.TypeOf(metric.MetricType, metric.Name);
        if (type is null) return;
        var name = PrometheusNames.NameOf(metric.Name, metric.Unit, type);
        if (!_families.TryGetValue(name, out var family)) _families.Add(name, family = new(name, type, metric.Description));
        if (family.Type != type) return;
        foreach (ref readonly var point in metric.GetMetricPoints()) Add(family, metric.MetricType, point);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var family in _families.Values)
        {
            if (family.Samples.Length == 0) continue;
            if (family.Help.Length > 0) text.Append("# HELP ").Append(family.Name).Append(' ').Append(EscapeHelp(family.Help)).Append('\n');
            text.Append("# TYPE ").Append(family.Name).Append(' ').Append(family.Type).Append('\n').Append(family.Samples);
        }
        return text.ToString();
    }

    private static void Add(Family family, MetricType type, in MetricPoint point)
    {
        var labels = LabelsOf(point.Tags);
        // Two instruments can have the same name here; a scraper rejects the whole text for a duplicate sample.
        if (!family.LabelSets.Add(labels)) return;
        if (type == MetricType.Histogram) AddHistogram(family, labels, point);
        else Sample(family, "", labels, PrometheusNames.ValueOf(type, point));
    }

    private static void AddHistogram(Family family, string labels, in MetricPoint point)
    {
        long cumulative = 0;
        var separator = labels.Length == 0 ? "" : ",";
        foreach (var bucket in point.GetHistogramBuckets())
        {
            cumulative += bucket.BucketCount;
            Sample(family, "_bucket", $"{labels}{separator}le=\"{Number(bucket.ExplicitBound)}\"", cumulative);
        }
        Sample(family, "_sum", labels, point.GetHistogramSum());
        Sample(family, "_count", labels, point.GetHistogramCount());
    }

    private static void Sample(Family family, string suffix, string labels, double value)
    {
        family.Samples.Append(family.Name).Append(suffix);
        if (labels.Length > 0) family.Samples.Append('{').Append(labels).Append('}');
        family.Samples.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string LabelsOf(OpenTelemetry.ReadOnlyTagCollection tags)
    {
        var text = new StringBuilder();
        foreach (var (key, value) in tags)
        {
            if (text.Length > 0) text.Append(',');
            var written = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
            text.Append(PrometheusNames.Sanitize(key)).Append("=\"").Append(EscapeLabel(written)).Append('"');
        }
        return text.ToString();
    }

    private static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        double.NaN => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static string EscapeHelp(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static string EscapeLabel(string text) => EscapeHelp(text).Replace("\"", "\\\"", StringComparison.Ordinal);
}
