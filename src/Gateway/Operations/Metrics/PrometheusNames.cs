using OpenTelemetry.Metrics;

namespace Gateway.Operations;

/// <summary>Prometheus names of OpenTelemetry instruments (OpenTelemetry, "Prometheus and OpenMetrics Compatibility").</summary>
internal static class PrometheusNames
{
    // The runtime reports these levels as monotonic counters, although they can fall.
    private static readonly string[] Levels =
    [
        "dotnet.thread_pool.thread.count",
        "dotnet.thread_pool.queue.length",
        "dotnet.timer.count",
        "dotnet.assembly.count",
        "dotnet.process.cpu.count",
    ];

    /// <summary>The type; null if the text format has none.</summary>
    public static string? TypeOf(MetricType type, string instrument) => type switch
    {
        MetricType.LongSum or MetricType.DoubleSum => Array.IndexOf(Levels, instrument) < 0 ? "counter" : "gauge",
        MetricType.LongSumNonMonotonic or MetricType.DoubleSumNonMonotonic or MetricType.LongGauge or MetricType.DoubleGauge => "gauge",
        MetricType.Histogram => "histogram",
        _ => null,
    };

    /// <summary>The value of a counter's or gauge's point.</summary>
    public static double ValueOf(MetricType type, in MetricPoint point) => type switch
    {
        MetricType.LongSum or MetricType.LongSumNonMonotonic => point.GetSumLong(),
        MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic => point.GetSumDouble(),
        MetricType.LongGauge => point.GetGaugeLastValueLong(),
        _ => point.GetGaugeLastValueDouble(),
    };

    /// <summary>The name with its unit, and with <c>_total</c> for a counter, without duplicates.</summary>
    public static string NameOf(string instrument, string? unit, string type)
    {
        var name = Sanitize(instrument);
        var total = name.EndsWith("_total", StringComparison.Ordinal);
        if (total) name = name[..^"_total".Length];
        if (UnitOf(unit) is { } suffix && !name.EndsWith(suffix, StringComparison.Ordinal)) name = $"{name}_{suffix}";
        return total || type == "counter" ? name + "_total" : name;
    }

    /// <summary>Replaces all but letters, digits and underscores; the result does not begin with a digit.</summary>
    public static string Sanitize(string name)
    {
        var text = string.Create(name.Length, name, static (span, from) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = char.IsAsciiLetterOrDigit(from[i]) ? from[i] : '_';
        });
        return text.Length == 0 || char.IsAsciiDigit(text[0]) ? "_" + text : text;
    }

    private static string? UnitOf(string? unit) => unit switch
    {
        "s" => "seconds",
        "ms" => "milliseconds",
        "By" => "bytes",
        "%" => "percent",
        _ => null,
    };
}
