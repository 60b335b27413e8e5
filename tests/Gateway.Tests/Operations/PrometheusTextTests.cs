using System.Diagnostics.Metrics;
using Gateway.Operations;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;
using Xunit;

namespace Gateway.Tests.Operations;

[Collection(ProcessWide.Name)]
public sealed class PrometheusTextTests : IDisposable
{
    // Each test has its own names, because an export collects every meter of this process.
    private readonly Meter _meter = new($"Gateway.Test{Guid.NewGuid():N}");
    private readonly ServiceProvider _services;
    private readonly string _prefix = $"t{Guid.NewGuid():N}";

    public PrometheusTextTests()
    {
        var services = new ServiceCollection();
        services.AddTelemetry();
        _services = services.BuildServiceProvider();
        _services.GetRequiredService<MeterProvider>();
    }

    public void Dispose()
    {
        _services.Dispose();
        _meter.Dispose();
    }

    [Fact]
    public void Labels_and_help_are_escaped()
    {
        var counter = _meter.CreateCounter<long>($"{_prefix}.seen", description: "back\\slash\nand line");
        counter.Add(1, new KeyValuePair<string, object?>("a.b", "x\"y\\z\nw"));

        Assert.Equal("a_b=\"x\\\"y\\\\z\\nw\"", Assert.Single(Mine()).Labels);
    }

    [Fact]
    public void Unit_and_total_suffixes_appear_once()
    {
        _meter.CreateCounter<long>($"{_prefix}.read", "By").Add(3);
        _meter.CreateCounter<long>($"{_prefix}.sent.bytes", "By").Add(3);
        _meter.CreateUpDownCounter<long>($"{_prefix}.open").Add(-2);
        _meter.CreateObservableGauge($"{_prefix}.age", () => 1.5, "s");

        Assert.Equal(
            [
                ($"{_prefix}_age_seconds", 1.5), ($"{_prefix}_open", -2),
                ($"{_prefix}_read_bytes_total", 3), ($"{_prefix}_sent_bytes_total", 3),
            ],
            Mine().Select(s => (s.Name, s.Value)));
    }

    [Fact]
    public void Histogram_is_cumulative()
    {
        var histogram = _meter.CreateHistogram(
            $"{_prefix}.wait", "s", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] });
        foreach (var value in new[] { 0.25, 0.75, 0.5, 4.5 }) histogram.Record(value, new KeyValuePair<string, object?>("k", "v"));

        Assert.Equal(
            [("k=\"v\",le=\"0.5\"", 2), ("k=\"v\",le=\"1\"", 3), ("k=\"v\",le=\"+Inf\"", 4), ("k=\"v\"", 6), ("k=\"v\"", 4)],
            Mine().Select(s => (s.Labels, s.Value)));
    }

    private IEnumerable<(string Name, string Labels, double Value)> Mine() =>
        PrometheusReader.Read(_services.GetRequiredService<MetricsExport>().Collect()!)
            .Samples.Where(s => s.Name.StartsWith(_prefix, StringComparison.Ordinal));
}
