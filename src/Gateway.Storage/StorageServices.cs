using Microsoft.Extensions.DependencyInjection;

namespace Gateway.Storage;

/// <summary>Adds storage to a host.</summary>
public static class StorageServices
{
    /// <summary>
    /// Adds an open volume, and the parts of it that other services use by themselves. The caller closes the volume after every service has
    /// ended.
    /// </summary>
    public static IServiceCollection AddGatewayStorage(this IServiceCollection services, Volume volume) =>
        services.AddSingleton(volume).AddSingleton(given => given.GetRequiredService<Volume>().OpenFiles);
}
