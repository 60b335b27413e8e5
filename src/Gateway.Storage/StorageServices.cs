using Microsoft.Extensions.DependencyInjection;

namespace Gateway.Storage;

/// <summary>Adds storage to a host.</summary>
public static class StorageServices
{
    /// <summary>
    /// Adds the parts of an open volume; each service takes the parts that it uses. The caller closes the volume after every service has
    /// ended.
    /// </summary>
    public static IServiceCollection AddGatewayStorage(this IServiceCollection services, Volume volume) => services
        .AddSingleton(volume.Repositories).AddSingleton(volume.Content).AddSingleton<IContentLookup>(volume.Content)
        .AddSingleton(volume.Health).AddSingleton(volume.Damage).AddSingleton(volume.Steady).AddSingleton(volume.Uploads)
        .AddSingleton(volume.DecisionRing).AddSingleton(volume.Fetches).AddSingleton(volume.Origins).AddSingleton(volume.Eviction)
        .AddSingleton(volume.Room).AddSingleton(volume.CachedRepositories).AddSingleton(volume.StagedContent)
        .AddSingleton(volume.OpenFiles).AddSingleton(volume.JobFiles).AddSingleton(volume.Collector)
        .AddSingleton(volume.TrashContents).AddSingleton(volume.Scrubber);
}
