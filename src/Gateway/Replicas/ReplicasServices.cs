using Gateway.Configuration;
using Gateway.PullThrough;
using Gateway.Upstream;

namespace Gateway.Replicas;

/// <summary>Adds what several gateways share.</summary>
internal static class ReplicasServices
{
    /// <summary>
    /// Adds the listener for other replicas, the connection to Redis, and <see cref="IFetchPeers"/>. Adds nothing if the configuration has
    /// no <c>replicas</c>: the gateway is then alone, and asks no other.
    /// </summary>
    public static IServiceCollection AddGatewayReplicas(this IServiceCollection services, GatewayOptions options)
    {
        if (options.Replicas is not { } replicas) return services;
        if (replicas.Redis is { } redis)
        {
            services.AddSingleton(given => new RedisLink(
                redis, replicas.Timeout, given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<RedisLink>>()));
            services.AddSingleton<LeaseStore>().AddSingleton<ISharedTags, SharedTags>();
        }
        services.AddSingleton(given => new PeerSecret(
            replicas.SecretFile, given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<PeerSecret>>()));
        services.AddSingleton(given => new PeerSignature(
            given.GetRequiredService<PeerSecret>(), given.GetRequiredService<TimeProvider>(),
            () => given.GetRequiredService<Members>().RedisTime));
        services.AddSingleton(given => ActivatorUtilities.CreateInstance<PeerClient>(given, options));
        services.AddSingleton(replicas).AddSingleton<ReplicaSelf>().AddSingleton<Members>().AddSingleton<News>().AddSingleton<ChangeNews>()
            .AddSingleton<ReplicaServices>().AddSingleton<ReplicaState>().AddSingleton<NamedManifests>().AddSingleton<PeerFace>();
        services.AddSingleton<SharedLimits>().AddSingleton<ISharedLimits>(static given => given.GetRequiredService<SharedLimits>());
        services.AddSingleton<SharedFetches>().AddSingleton<IFetchPeers>(static given => given.GetRequiredService<SharedFetches>());
        // Hosted services start in this order, and stop in the opposite one.
        services.AddHostedService(given => ActivatorUtilities.CreateInstance<PeerListener>(given, options));
        services.AddHostedService<ReplicaGauges>();
        services.AddHostedService(static given => given.GetRequiredService<News>());
        services.AddHostedService(static given => given.GetRequiredService<ChangeNews>());
        return services.AddHostedService(static given => given.GetRequiredService<Members>());
    }
}
