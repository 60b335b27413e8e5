using System.Diagnostics;
using Gateway.Configuration;
using Gateway.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace Gateway.Registry;

/// <summary>Adds the HTTP face.</summary>
internal static class RegistryServices
{
    /// <summary>
    /// Adds the server with its listeners, limits and certificates, and <see cref="FrontDoor"/>, which answers every request. They need the
    /// snapshot in force (<see cref="ICurrent{T}"/>).
    /// </summary>
    public static void AddGatewayRegistry(this WebApplicationBuilder builder)
    {
        Listening.RefuseBareLineFeeds();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.Services
            .AddSingleton<DiagnosticSource>(new UnreadableRequests())
            .AddSingleton<ConnectionLimits>()
            .AddSingleton(given => new Certificates(
                given.GetRequiredService<ConfigurationInForce>().Current, given.GetRequiredService<TimeProvider>(),
                given.GetRequiredService<ILogger<Certificates>>()))
            .AddSingleton<IConfigureOptions<KestrelServerOptions>, Listeners>()
            // In place of Kestrel's own transport: of several transports, the last one binds.
            .AddSingleton<IConnectionListenerFactory, SparingTransport>()
            .AddSingleton<IMemoryPoolFactory<byte>, ReceiveBlocks>()
            .AddSingleton<BoundAddresses>()
            .AddHostedService(given => given.GetRequiredService<BoundAddresses>())
            .AddSingleton<WebFace>()
            .AddSingleton<ConsoleFace>()
            .AddSingleton<FrontDoor>();
    }
}
