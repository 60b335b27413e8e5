using System.Collections;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Gateway.Operations;

/// <summary>
/// Adds metrics and traces of OpenTelemetry. Metrics are collected when an operator requests them. Spans are made only if a standard
/// variable names an endpoint of OTLP; otherwise nothing listens, and the server creates none.
/// </summary>
internal static class Telemetry
{
    private static readonly string[] EndpointVariables = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

    /// <summary>Adds the providers; they start before every other service and end with the host.</summary>
    public static void AddTelemetry(this IServiceCollection services)
    {
        services.AddSingleton<MetricsExport>();
        var telemetry = services.AddOpenTelemetry().WithMetrics(static metrics => metrics
            .AddMeter(MetricsExport.Meters)
            .AddReader(static given => given.GetRequiredService<MetricsExport>().Reader));
        if (!Array.Exists(EndpointVariables, static name => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)))) return;
        telemetry.WithTracing(static traces => traces
            .ConfigureResource(static resource => resource
                .AddService("gateway", serviceVersion: BuildInfo.Version).AddEnvironmentVariableDetector())
            // Requests to upstreams: the runtime's spans have every attribute, and no query in url.full.
            .AddSource("System.Net.Http")
            .AddAspNetCoreInstrumentation(static requests =>
            {
                // Clients may put a token into the query, so no part of it is sent.
                requests.EnrichWithHttpRequest = static (span, _) => span.SetTag("url.query", null);
            })
            .AddOtlpExporter());
    }

    /// <summary>
    /// The standard variables (OTEL_…) for the configuration of the host, from which OpenTelemetry reads them. The server reads that
    /// configuration too, so other variables of the environment stay out.
    /// </summary>
    public static IEnumerable<KeyValuePair<string, string?>> Variables() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Where(static variable => ((string)variable.Key).StartsWith("OTEL_", StringComparison.Ordinal))
            .Select(static variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value));
}
