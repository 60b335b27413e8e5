using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Adds the gate.</summary>
internal static class RepositoriesServices
{
    /// <summary>
    /// Adds what outlives a configuration: <see cref="Decisions"/>, <see cref="BlobContents"/>, and <see cref="Sweep"/>, which runs while
    /// the gateway does. They need the router in force (<see cref="Configuration.ICurrent{T}"/>).
    /// </summary>
    public static IServiceCollection AddGatewayRepositories(this IServiceCollection services) => services
        .AddSingleton(given => new Decisions(given.GetRequiredService<DecisionRing>()))
        .AddSingleton<BlobContents>()
        .AddSingleton<PrefetchPulls>()
        .AddHostedService<Sweep>();
}
