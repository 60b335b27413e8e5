using Gateway.Access;
using Gateway.Configuration;
using Gateway.Operations.ReadModels;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary>Adds metrics, logs, the audit log and the operator port.</summary>
internal static class OperationsServices
{
    /// <summary>
    /// Adds metrics, traces, health, the access log, the audit log, and <see cref="OperatorPort"/>. They need the router and the access
    /// rules in force (<see cref="ICurrent{T}"/>).
    /// </summary>
    /// <param name="options">The configuration of the start: the audit log and the operator port change only with a restart.</param>
    /// <param name="accessLog">Takes a line for each request.</param>
    public static IServiceCollection AddGatewayOperations(this IServiceCollection services, GatewayOptions options, Stream accessLog)
    {
        services.AddSingleton(given => new AuditLog(
            options.Audit, given.GetRequiredService<TimeProvider>(), given.GetRequiredService<ILogger<AuditLog>>()));
        services.AddSingleton(_ => new AccessLog(accessLog));
        services.AddSingleton<Reloads>().AddSingleton<RequestMetrics>().AddSingleton<Totals>().AddSingleton<UpstreamLatencies>();
        services.AddTelemetry();
        services.AddSingleton(HealthOf).AddSingleton<StoredRouter>().AddSingleton<PolicyTrial>().AddSingleton<AdminApi>()
            .AddSingleton(given => new OperatorDoor(options.Operator.TokenFile, given.GetRequiredService<TimeProvider>()));
        services.AddSingleton<StoredGates>().AddSingleton<KnownRepositories>().AddSingleton<RepositorySizes>()
            .AddSingleton<OwnSizes>().AddSingleton<Elsewhere>().AddSingleton<LayerUses>().AddSingleton<RepositoryTree>()
            .AddSingleton<ManifestReadings>().AddSingleton<ReferrerTrees>();
        services.AddSingleton<RepositoryPages>().AddSingleton<TagPages>().AddSingleton<ImagePages>()
            .AddSingleton<Deletions>().AddSingleton<Rollbacks>().AddSingleton<TrashPages>().AddSingleton<HoldPages>()
            .AddSingleton<OverviewPages>().AddSingleton<ActivityPages>().AddSingleton<PolicyPages>().AddSingleton<UpkeepPages>()
            .AddSingleton<ConfigurationPages>().AddSingleton<PolicyCompare>()
            .AddSingleton<ReplicaPages>();
        services.AddNoun<StatisticsApi>().AddNoun<StatusApi>().AddNoun<ContentApi>().AddNoun<PagesApi>().AddNoun<HoldsApi>()
            .AddNoun<RollbackApi>().AddNoun<PolicyApi>().AddNoun<JobsApi>().AddNoun<TrashApi>();
        services.AddSingleton(given => ActivatorUtilities.CreateInstance<SavedSamples>(given, options));
        services.AddHostedService(static given => given.GetRequiredService<SavedSamples>());
        services.AddSingleton(given => ActivatorUtilities.CreateInstance<PullCounts>(given, options));
        services.AddHostedService(static given => given.GetRequiredService<PullCounts>());
        services.AddSingleton<OperatorPort>();
        services.AddSingleton<IJobKind, GcJob>().AddSingleton<IJobKind, ScrubJob>().AddSingleton<Jobs>();
        return services.AddHostedService(given => given.GetRequiredService<Jobs>()).AddHostedService<ProcessMetrics>();
    }

    // The console does by some of them what a person asks for.
    private static IServiceCollection AddNoun<T>(this IServiceCollection services) where T : class, IAdminNoun =>
        services.AddSingleton<T>().AddSingleton<IAdminNoun>(static given => given.GetRequiredService<T>());

    private static Health HealthOf(IServiceProvider given)
    {
        var (storage, damage, audit, reloads) = (
            given.GetRequiredService<VolumeHealth>(), given.GetRequiredService<Damage>(),
            given.GetRequiredService<AuditLog>(), given.GetRequiredService<Reloads>());
        var access = given.GetRequiredService<ICurrent<AccessControl>>();
        var health = new Health(new Dictionary<string, Func<string?>>
        {
            ["storage"] = () => storage.ReadOnlyBecause, ["audit"] = audit.RefusesBecause,
        }, new Dictionary<string, Func<string?>>
        {
            ["configuration"] = () => reloads.Problem is { } problem ? $"the last configuration read is not in force: {problem}" : null,
            ["access"] = () => access.Value.Problem,
            ["content"] = () => damage.Warning,
            ["bucket"] = () => storage.BucketProblem,
        });
        given.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(health.BeginStopping);
        return health;
    }
}
