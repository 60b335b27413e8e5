using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;

namespace Gateway.Upstream;

/// <summary>Adds the upstreams to the gateway's host.</summary>
public static class UpstreamServices
{
    /// <summary>
    /// Adds <see cref="UpstreamRegistries"/>, and YARP with <see cref="IHttpForwarder"/>. YARP's clusters have the endpoints of upstreams
    /// and their health. The caller must also add logging and a <see cref="TimeProvider"/>.
    /// </summary>
    public static IServiceCollection AddGatewayUpstreams(this IServiceCollection services)
    {
        services.AddReverseProxy().LoadFromMemory([], []);
        // YARP adds data protection for its session affinity, which the gateway does not use. It must not write keys to disk.
        services.AddDataProtection().UseEphemeralDataProtectionProvider();
        foreach (var starter in services.Where(IsStarterOfDataProtection).ToArray()) services.Remove(starter);
        services.AddSingleton<UpstreamEndpoints.Clients>()
            .AddSingleton<IForwarderHttpClientFactory>(given => given.GetRequiredService<UpstreamEndpoints.Clients>())
            .AddSingleton<UpstreamEndpoints.Applied>()
            .AddSingleton<IConfigChangeListener>(given => given.GetRequiredService<UpstreamEndpoints.Applied>())
            .AddSingleton<IActiveHealthCheckPolicy, UpstreamEndpoints.AnyAnswerIsAlive>()
            .AddSingleton<UpstreamEndpoints>();
        return services.AddSingleton(given => new UpstreamRegistries(given));
    }

    private static bool IsStarterOfDataProtection(ServiceDescriptor service) =>
        service.ServiceType == typeof(IHostedService) && service.ImplementationType?.Assembly == typeof(IDataProtectionBuilder).Assembly;
}
