using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Gateway.Operations;

/// <summary>Traces, sent by OTLP where the standard variables name an endpoint, and not made at all otherwise.</summary>
internal static class Tracing
{
    private static readonly string[] EndpointVariables = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

    /// <summary>Null when nobody asked for traces. Every other OTEL_ variable is read by the exporter and the SDK themselves.</summary>
    public static TracerProvider? Start(string version)
    {
        if (Array.TrueForAll(EndpointVariables, name => string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)))) return null;
        return Sdk.CreateTracerProviderBuilder()
            .ConfigureResource(resource => resource.AddService("gateway", serviceVersion: version).AddEnvironmentVariableDetector())
            .AddSource("Microsoft.AspNetCore", "System.Net.Http", "Gateway.*")
            .AddOtlpExporter()
            .Build();
    }
}
