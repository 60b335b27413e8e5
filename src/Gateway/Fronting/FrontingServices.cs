using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>Adds the services that make the backings of upstreams' repositories and forward pushes.</summary>
internal static class FrontingServices
{
    /// <summary>Adds <see cref="BackingFactory"/>, and <see cref="ForwardQueue"/>, which runs while the gateway runs.</summary>
    public static IServiceCollection AddGatewayFronting(this IServiceCollection services) => services
        .AddSingleton<AcceptedPushes>()
        .AddSingleton<BackingFactory>()
        .AddSingleton<FrontedRepositories>()
        .AddSingleton(given => new ForwardQueue(
            given.GetRequiredService<StoredRepositories>(), given.GetRequiredService<StagedContent>(),
            given.GetRequiredService<FrontedRepositories>().Find,
            given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<Forwarder>>()))
        .AddHostedService<Forwarding>();
}
