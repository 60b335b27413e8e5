using System.Collections.Immutable;
using System.Net.Sockets;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.Operations;
using Gateway.PullThrough;
using Gateway.Registry;
using Gateway.Replicas;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;
using Gateway.Web;
using Gateway.WebConsole;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Console;

namespace Gateway;

/// <summary>
/// A gateway that listens. Each room adds its services; what they need of each other stands in their constructors, and none of it is a
/// circle. What was made last ends first, and the volume after everything.
/// </summary>
internal sealed class RunningGateway : IAsyncDisposable
{
    // Requests under way get this long to end; then their connections are closed. Kubernetes kills after 30 s.
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(10);

    private readonly WebApplication _app;
    private readonly Volume _volume;
    private readonly Snapshots _snapshots;
    private readonly BoundAddresses _addresses;

    private RunningGateway(WebApplication app, Volume volume)
    {
        (_app, _volume) = (app, volume);
        _snapshots = app.Services.GetRequiredService<Snapshots>();
        _addresses = app.Services.GetRequiredService<BoundAddresses>();
    }

    /// <summary>The addresses in use, in the order of <c>listen</c>; real ports where 0 was configured.</summary>
    public ImmutableArray<Uri> Listening => _addresses.Clients;

    /// <summary>The operator's address.</summary>
    public Uri Operator => _addresses.Operator;

    public ILogger Logger => _app.Logger;

    /// <summary>The services of every room.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>What to tell the person who started the gateway.</summary>
    /// <param name="configuration">The file that the options come from; null for none.</param>
    public string Welcome(string? configuration) => Operations.Welcome.Text(
        _snapshots.Value.Options, Listening, Operator, Environment.GetEnvironmentVariable("DOTNET_RUNNING_IN_CONTAINER") == "true",
        BuildInfo.Version, configuration);

    /// <summary>
    /// Starts. Throws <see cref="IOException"/> with one line when the volume, the audit log, a certificate or a port cannot be had.
    /// </summary>
    public static async Task<RunningGateway> StartAsync(
        GatewayOptions options, Stream accessLog, TimeProvider clock, CancellationToken cancellationToken)
    {
        // Held until the process ends: what lives as long as the volume logs through it.
        var loggers = LoggerFactory.Create(Logs);
        var volume = await options.Storage.OpenAsync(clock, loggers.CreateLogger<Volume>(), cancellationToken);
        WebApplication? app = null;
        try
        {
            app = Build(options, volume, accessLog, clock, loggers);
            await app.Services.GetRequiredService<Snapshots>().UseAsync(options);
            if (app.Services.GetService<News>() is { } news) Hear(news, app.Services, volume, options.Storage.Path);
            app.Run(app.Services.GetRequiredService<FrontDoor>().HandleAsync);
            await app.StartAsync(cancellationToken);
            return new(app, volume);
        }
        catch (Exception exception)
        {
            if (app is not null) await app.DisposeAsync();
            await volume.DisposeAsync();
            if (WhyNotListening(exception) is { } why) throw new IOException(why, exception);
            throw;
        }
    }

    // Each message of these exceptions names the address. Null for any other exception.
    private static string? WhyNotListening(Exception exception) => exception switch
    {
        IOException { InnerException: AddressInUseException } =>
            $"{exception.Message.TrimEnd('.')}; stop the program that uses it, or write another port",
        SocketException { SocketErrorCode: SocketError.AccessDenied } =>
            $"cannot listen on {exception.Message}; write a port from 1024 on, or give the capability CAP_NET_BIND_SERVICE",
        SocketException => $"cannot listen on {exception.Message}; write an address of this machine",
        _ => null,
    };

    /// <summary>Returns when the gateway was told to end and every request under way has ended, or has had its time.</summary>
    public Task WaitForEndAsync(CancellationToken stop) => _app.WaitForShutdownAsync(stop);

    /// <summary>
    /// Puts another configuration in force for requests that begin from now on. Throws, and changes nothing, when it cannot be.
    /// </summary>
    public Task UseAsync(GatewayOptions options) => _snapshots.UseAsync(options);

    /// <param name="problem">Why the configuration that was read is not in force; null when it is.</param>
    public void TellOfReload(string? problem) => _app.Services.GetRequiredService<Reloads>().Tell(problem);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        await _volume.DisposeAsync();
    }

    private static WebApplication Build(
        GatewayOptions options, Volume volume, Stream accessLog, TimeProvider clock, ILoggerFactory loggers)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Configuration.AddInMemoryCollection(Telemetry.Variables());
        var services = builder.Services;
        services.Replace(ServiceDescriptor.Singleton(loggers));
        services.Configure<HostOptions>(host => host.ShutdownTimeout = Drain);
        services.AddSingleton(clock).AddSingleton(new ConfigurationInForce(options));
        services.AddSingleton(given => new SharedClock(
            clock, () => volume.StoreTime ?? DateTimeOffset.UnixEpoch + given.GetService<Members>()?.RedisTime));
        services.AddSingleton<Snapshots>()
            .AddSingleton<ICurrent<Snapshot>>(given => given.GetRequiredService<Snapshots>())
            .AddSingleton<ICurrent<RepositoryRouter>>(given => given.GetRequiredService<Snapshots>())
            .AddSingleton<ICurrent<AccessControl>>(given => given.GetRequiredService<Snapshots>())
            .AddSingleton<IUpstreamMemory>(given => given.GetRequiredService<Snapshots>())
            .AddSingleton<PullManifest>(given => given.GetRequiredService<PrefetchPulls>().PullAsync);
        // Hosted services start in this order, and stop in the opposite one: the server, which is added last, first of all.
        services.AddGatewayStorage(volume).AddGatewayReplicas(options).AddGatewayUpstreams().AddGatewayPullThrough().AddGatewayFronting()
            .AddGatewayRepositories().AddGatewayOperations(options, accessLog).AddGatewayWeb().AddGatewayConsole();
        builder.AddGatewayRegistry();
        return builder.Build();
    }

    // What the operator did at another replica is done here too.
    private static void Hear(News news, IServiceProvider services, Volume volume, string path)
    {
        var (snapshots, memory) = (services.GetRequiredService<Snapshots>(), services.GetRequiredService<IUpstreamMemory>());
        var state = services.GetRequiredService<ReplicaState>();
        state.Policy = () => snapshots.Value.PolicyRevision;
        services.GetRequiredService<Members>().Describe = state.Describe;
        if (volume.SharedNews is { } shared)
        {
            var changes = services.GetRequiredService<ChangeNews>();
            (shared.Tell, changes.Hear) = (changes.Tell, shared.Hear);
        }
        news.PositionFile = Path.Combine(path, "gateway", "replica-news");
        news.HasCache = () => volume.CachedRepositories.All().Any();
        news.Forget = memory.ForgetAsync;
        news.Purge = async (what, cancellationToken) =>
        {
            await Purge.RunAsync(volume.CachedRepositories, snapshots.Value.Router, new(what), cancellationToken);
            await memory.ForgetAsync();
        };
    }

    // One line each, to stderr: stdout is the access log's.
    private static void Logs(ILoggingBuilder logging) => logging
        .AddConsole(console =>
            (console.FormatterName, console.LogToStandardErrorThreshold) = (OneLineFormatter.FormatterName, LogLevel.Trace))
        .AddConsoleFormatter<OneLineFormatter, ConsoleFormatterOptions>()
        .AddFilter("Microsoft", LogLevel.Warning)
        // What asks at an upstream logs what fails there.
        .AddFilter("Yarp", LogLevel.None)
        // The caller writes one line about a start that failed.
        .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None)
        // The server's own request log would make a span for each request, which no exporter collects.
        .AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
}
