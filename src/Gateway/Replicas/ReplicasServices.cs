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
            services.AddSingleton<LeaseStore>();
            services.AddSingleton<ISharedTags, SharedTags>();
        }
        services.AddSingleton(replicas).AddSingleton<ReplicaSelf>();
        services.AddSingleton(given => new PeerSecret(
            replicas.SecretFile, given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<PeerSecret>>()));
        services.AddSingleton(given => new PeerSignature(
            given.GetRequiredService<PeerSecret>(), given.GetRequiredService<TimeProvider>(),
            () => given.GetRequiredService<Members>().RedisTime));
        services.AddSingleton(given => new Members(
            replicas, given.GetRequiredService<ReplicaSelf>(), given.GetRequiredService<PeerSecret>(),
            given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<Members>>(), given.GetService<RedisLink>()));
        services.AddSingleton(given => new SharedLimits(
            given.GetRequiredService<Members>(), given.GetRequiredService<ReplicaSelf>(), given.GetRequiredService<PeerSecret>(),
            given.GetService<RedisLink>()));
        services.AddSingleton<ISharedLimits>(given => given.GetRequiredService<SharedLimits>());
        services.AddSingleton(given => new PeerClient(
            replicas, options, given.GetRequiredService<PeerSignature>(), given.GetRequiredService<TimeProvider>()));
        services.AddSingleton(given => new ReplicaServices(
            given.GetRequiredService<ReplicaSelf>(), given.GetRequiredService<Members>(), given.GetRequiredService<PeerClient>(),
            given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<SharedFetches>>(), given.GetService<LeaseStore>()));
        services.AddSingleton<SharedFetches>().AddSingleton<IFetchPeers>(given => given.GetRequiredService<SharedFetches>());
        services.AddSingleton(given => new News(
            given.GetRequiredService<Members>(), given.GetRequiredService<PeerClient>(), given.GetRequiredService<ReplicaSelf>(),
            given.GetRequiredService<PeerSecret>(), given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<News>>(),
            given.GetService<RedisLink>()));
        services.AddSingleton(given => new ChangeNews(given.GetRequiredService<Members>(), given.GetRequiredService<PeerClient>()));
        services.AddSingleton(given => new ReplicaState(
            given.GetRequiredService<Members>(), given.GetRequiredService<SharedFetches>(), given.GetRequiredService<News>(),
            given.GetService<RedisLink>()));
        services.AddSingleton<PeerFace>();
        services.AddHostedService(given => new PeerListener(
            replicas, options, given.GetRequiredService<ReplicaSelf>(), given.GetRequiredService<Members>(),
            given.GetRequiredService<PeerFace>(), given.GetRequiredService<ILoggerFactory>()));
        services.AddHostedService(given => new ReplicaGauges(
            given.GetRequiredService<Members>(), given.GetRequiredService<SharedFetches>(), given.GetRequiredService<News>(),
            given.GetRequiredService<ReplicaState>(), given.GetService<RedisLink>()));
        services.AddHostedService(given => given.GetRequiredService<News>());
        services.AddHostedService(given => given.GetRequiredService<ChangeNews>());
        return services.AddHostedService(given => given.GetRequiredService<Members>());
    }
}
