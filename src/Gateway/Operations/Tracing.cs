using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Gateway.Operations;

/// <summary>Traces, sent by OTLP where the standard variables name an endpoint, and not made at all otherwise.</summary>
internal sealed class Tracing : IHostedService, IDisposable
{
    private static readonly string[] EndpointVariables = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

    private TracerProvider? _provider;

    /// <summary>Every other OTEL_ variable is read by the exporter and the SDK themselves.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (Array.TrueForAll(EndpointVariables, name => string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name))))
            return Task.CompletedTask;
        _provider = Sdk.CreateTracerProviderBuilder()
            .ConfigureResource(resource => resource
                .AddService("gateway", serviceVersion: BuildInfo.Version).AddEnvironmentVariableDetector())
            .AddSource("Microsoft.AspNetCore", "System.Net.Http", "Gateway.*")
            .AddOtlpExporter()
            .Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Sends what is left, and ends.</summary>
    public void Dispose() => _provider?.Dispose();
}
