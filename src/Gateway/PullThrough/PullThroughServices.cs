using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>Adds the services that fetch from upstreams.</summary>
internal static class PullThroughServices
{
    /// <summary>
    /// Adds <see cref="FetchTable"/> and <see cref="PrivateRepositories"/>. Prefetching runs while the gateway runs, and needs a <see
    /// cref="PullManifest"/>.
    /// </summary>
    public static IServiceCollection AddGatewayPullThrough(this IServiceCollection services) => services
        .AddSingleton(given => new FetchTable(
            given.GetRequiredService<FetchFiles>(), given.GetRequiredService<IContentLookup>(),
            given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<FetchTable>>(),
            given.GetService<IFetchPeers>(), given.GetService<ISharedTags>()))
        .AddSingleton<PrivateRepositories>()
        .AddHostedService<Prefetching>();
}
