using System.Collections.Immutable;
using System.Diagnostics;
using System.Net.Sockets;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.Oci;
using Gateway.Operations;
using Gateway.Policy;
using Gateway.PullThrough;
using Gateway.Registry;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Transport;
using Gateway.Upstream;
using Gateway.Web;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Console;

namespace Gateway;

/// <summary>Puts the house together, from the volume up to the listeners, and takes it apart in the opposite order.</summary>
internal sealed class RunningGateway : IAsyncDisposable
{
    // Requests under way get this long to end; then their connections are closed. Kubernetes kills after 30 s.
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(10);

    private static readonly string Version = typeof(RunningGateway).Assembly.GetName().Version?.ToString(3) ?? "";

    private readonly WebApplication _app;
    private readonly Volume _volume;
    private readonly UpstreamRegistries _upstreams;
    private readonly FetchTable _fetches;
    private volatile PrivateRepositories _private;
    private readonly AccessLog _accessLog;
    private readonly RequestMetrics _requestMetrics = new();
    private readonly MetricsExport _metrics = new();
    private readonly Totals _totals = new();
    private readonly ProcessMetrics _processMetrics;
    private readonly Tracing _tracing = new(Version);
    private readonly Decisions _decisions;
    private readonly BlobContents _contents = new();
    private readonly Sweep _sweep;
    private readonly Turns _turns = new();
    private readonly ILogger _forwardLog;
    private readonly ForwardQueue _forwards;
    private volatile Func<string, FrontedRepository?> _front = _ => null;
    private readonly TimeProvider _clock;
    private volatile Snapshot _current;
    private volatile string? _notInForce;
    private readonly Certificates _certificates;
    private ConnectionLimits? _connections;
    private readonly AuditLog _audit;

    private RunningGateway(
        GatewayOptions options, Volume volume, Certificates certificates, AuditLog audit, Stream accessLog, TimeProvider clock)
    {
        (_volume, _clock, _accessLog) = (volume, clock, new(accessLog));
        _decisions = new(volume.Ledger);
        (_certificates, _audit) = (certificates, audit);
        _app = Build(options);
        var loggers = _app.Services.GetRequiredService<ILoggerFactory>();
        _upstreams = _app.Services.GetRequiredService<UpstreamRegistries>();
        _upstreams.ReloadAsync(options.Upstreams.Values).GetAwaiter().GetResult();
        _fetches = new(volume, clock, loggers.CreateLogger<FetchTable>());
        _private = new(_fetches, clock);
        _forwardLog = loggers.CreateLogger<Forwarder>();
        _forwards = new(volume, path => _front(path), clock, _forwardLog);
        _current = Snapshot(options, new(options.Access, clock, loggers.CreateLogger<AccessControl>()));
        _sweep = new(() => _current.Router, clock, loggers.CreateLogger<Sweep>());
        _forwards.WakeAll();
        _processMetrics = new(Version, volume, () => _current.Access.Sources);
        var health = new Health(new Dictionary<string, Func<string?>>
        {
            ["storage"] = () => volume.ReadOnlyBecause, ["audit"] = audit.RefusesBecause,
        }, new Dictionary<string, Func<string?>>
        {
            ["configuration"] = () => _notInForce, ["access"] = () => _current.Access.Problem,
            ["content"] = () => volume.Damage.Warning,
        });
        _app.Lifetime.ApplicationStopping.Register(health.BeginStopping);
        (_fetches.Ahead.Pull, _fetches.Referrers.Pull) = (PullAheadAsync, PullAheadAsync);
        _fetches.Ahead.Options = options.Cache.Prefetch;
        var admin = new AdminApi(
            () => (_current.Options, _current.Router), volume, _fetches, _upstreams, _forwards, _totals, ForgetUpstreams);
        var operatorPort = new OperatorPort(health, _metrics, admin, new(options.Operator.TokenFile), audit, clock);
        FrontDoor door = new(
            () => _current, operatorPort, _requestMetrics, _accessLog, _app.Services.GetRequiredService<WebFace>(), clock,
            loggers.CreateLogger<FrontDoor>());
        _app.Run(door.HandleAsync);
    }

    /// <summary>The addresses in use, in the order of <c>listen</c>; real ports where 0 was configured.</summary>
    public ImmutableArray<Uri> Listening { get; private set; } = [];

    public Uri Operator { get; private set; } = new("http://127.0.0.1:0");

    public ILogger Logger => _app.Logger;

    /// <summary>What to tell the person who started the gateway.</summary>
    /// <param name="configuration">The file that the options come from; null for none.</param>
    public string Welcome(string? configuration) => Operations.Welcome.Text(
        _current.Options, Listening, Operator, Environment.GetEnvironmentVariable("DOTNET_RUNNING_IN_CONTAINER") == "true", Version,
        configuration);

    /// <summary>Starts. Throws <see cref="IOException"/> with one line when the volume, a certificate or a port cannot be had.</summary>
    public static async Task<RunningGateway> StartAsync(
        GatewayOptions options, Stream accessLog, TimeProvider clock, CancellationToken cancellationToken)
    {
        // Held until the process ends: what lives as long as the volume logs through it.
        var loggers = LoggerFactory.Create(Logs);
        var volume = await Volume.OpenAsync(options.Storage.Path, clock, loggers.CreateLogger<Volume>(), cancellationToken);
        Limit(volume, options);
        RunningGateway? gateway = null;
        try
        {
            var certificates = new Certificates(options, clock, loggers.CreateLogger<Certificates>());
            var audit = new AuditLog(options.Audit, clock, loggers.CreateLogger<AuditLog>());
            gateway = new(options, volume, certificates, audit, accessLog, clock);
            await gateway.ListenAsync(options, cancellationToken);
            return gateway;
        }
        catch
        {
            await (gateway?.DisposeAsync() ?? volume.DisposeAsync());
            throw;
        }
    }

    /// <summary>Returns when somebody asked for the end and every request under way has ended, or has had its time.</summary>
    public Task WaitForEndAsync(CancellationToken stop) => _app.WaitForShutdownAsync(stop);

    /// <summary>
    /// Puts another configuration in force for requests that begin from now on. Throws, and changes nothing, when it cannot be.
    /// </summary>
    public async Task UseAsync(GatewayOptions options)
    {
        await _upstreams.ReloadAsync(options.Upstreams.Values);
        Limit(_volume, options);
        _current = Snapshot(options, _current.Access.With(options.Access));
        _fetches.Ahead.Options = options.Cache.Prefetch;
        _forwards.WakeAll();
    }

    /// <param name="why">Why the configuration that was read is not in force; null when it is.</param>
    public void TellOfReload(string? why)
    {
        _processMetrics.IsReloaded = why is null;
        _notInForce = why is null ? null : $"what was read last is not in force: {why}";
        _audit.Tell(new(_clock.GetUtcNow(), "reload", why is null ? "done" : "refused") { Actor = "operator", Detail = why });
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        _connections?.Dispose();
        await _sweep.DisposeAsync();
        await _forwards.DisposeAsync();
        await _fetches.DisposeAsync();
        await _app.DisposeAsync();
        await _accessLog.DisposeAsync();
        _certificates.Dispose();
        _audit.Dispose();
        _tracing.Dispose();
        _metrics.Dispose();
        _totals.Dispose();
        _processMetrics.Dispose();
        _requestMetrics.Dispose();
        await _volume.DisposeAsync();
    }

    private Snapshot Snapshot(GatewayOptions options, AccessControl access)
    {
        var judge = new Judge(new PolicyEngine(options.Policy), _decisions, _volume.Steady, _contents);
        // A request that began under this configuration keeps these upstreams, whatever a reload removes.
        var upstreams = options.Upstreams.Keys.ToDictionary(key => key, key => _upstreams[key]);
        var folders = options.Upstreams.Values.ToDictionary(u => u.Key, u => _volume.Origins.FolderOf(u.Key, u.Urls));
        _front = Find;
        var catalogLog = _app.Services.GetRequiredService<ILoggerFactory>().CreateLogger<UpstreamCatalog>();
        var catalogs = options.Upstreams.Keys.ToDictionary(key => key, key => new UpstreamCatalog(upstreams[key], _clock, catalogLog));
        RepositoryRouter router = new(
            options, _volume, PullThrough, judge, _decisions, _volume.Steady, (upstream, stop) => catalogs[upstream.Key].ReadAsync(stop));
        return new(options, access, router, _audit) { Web = new(options.Routes, _upstreams.WebOf) };

        IBacking PullThrough(UpstreamOptions upstream, RepositoryName name, BasicCredentials? shown)
        {
            var (registry, folder) = (upstreams[upstream.Key], folders[upstream.Key]);
            var cached = _volume.Cached(folder, name);
            if (upstream.Auth != UpstreamAuth.Passthrough)
            {
                var pulled = new PullThroughRepository(cached, registry, name, _fetches, judge.Engine.Limits, _clock);
                return Fronted(upstream, registry, folder, name, pulled);
            }
            var client = shown is null ? null : new Credential(shown.Account, shown.Password);
            var view = _private.For(registry, name, client, judge.Engine.Limits, () => cached);
            // What one client pushed and the upstream does not have is nobody else's.
            return Fronted(upstream, view.Upstream, folder, name, view, $"{folder}~{client?.Id ?? "nobody"}");
        }

        IBacking Fronted(
            UpstreamOptions upstream, IUpstreamRegistry registry, string folder, RepositoryName name, IBacking pulled, string? stage = null)
        {
            if (options.FrontOf(upstream.Key) is not { } route) return pulled;
            var (staged, cached) = (_volume.Staged(stage ?? folder, name), _volume.Cached(folder, name));
            var forwarder = new Forwarder(_volume, registry, name, cached.Path, _turns, _clock, _forwardLog);
            return new FrontedRepository(
                _volume, staged, cached, pulled, forwarder, route.ForwardsLater ? () => _forwards.Wake(staged.Path) : null);
        }

        FrontedRepository? Find(string path)
        {
            var upstream = options.Upstreams.Values.FirstOrDefault(u => path.StartsWith(folders[u.Key] + "/", StringComparison.Ordinal));
            return upstream is null || upstream.Auth == UpstreamAuth.Passthrough
                ? null
                : PullThrough(upstream, RepositoryName.Parse(path.AsSpan(folders[upstream.Key].Length + 1)), null) as FrontedRepository;
        }
    }

    // What an operator purged is asked for anew: new repositories remember nothing of what upstreams said.
    private void ForgetUpstreams()
    {
        _fetches.Recent.Clear();
        _fetches.Referrers.Forget();
        _private = new(_fetches, _clock);
        _current = Snapshot(_current.Options, _current.Access);
    }

    private async Task<StoredManifest?> PullAheadAsync(
        string upstream, RepositoryName name, Reference reference, CancellationToken cancellationToken)
    {
        if (!_current.Options.Upstreams.TryGetValue(upstream, out var options)) return null;
        if (_current.Router.Of(options, name)?.Repository is not { } repository) return null;
        var answer = await repository.GetManifestAsync(new Caller("prefetch", AccessActions.Pull), reference, cancellationToken);
        return answer is Answer<StoredManifest>.Found found ? found.Value : null;
    }

    private static void Limit(Volume volume, GatewayOptions options)
    {
        volume.Limit(options.Cache.MaxSize, options.Cache.KeepFree);
        var limits = options.Limits;
        volume.Uploads.Limits = new(limits.Uploads, limits.UploadsPerRepository, limits.UploadsPerActor, limits.UploadIdle);
    }

    private WebApplication Build(GatewayOptions options)
    {
        Registry.Listening.RefuseBareLineFeeds();
        var builder = WebApplication.CreateEmptyBuilder(new());
        Logs(builder.Logging);
        builder.Services.AddSingleton<DiagnosticSource>(new UnreadableRequests()).AddSingleton(_clock).AddSingleton<WebFace>()
            .AddGatewayUpstreams().AddGatewayWeb().Configure<HostOptions>(host => host.ShutdownTimeout = Drain);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(server =>
        {
            Registry.Listening.Limit(server);
            var loggers = server.ApplicationServices.GetRequiredService<ILoggerFactory>();
            _connections = new(() => _current.Options, _clock, loggers.CreateLogger<ConnectionLimits>());
            foreach (var listener in options.Listen)
                Registry.Listening.Listen(server, listener.Url, new(listener), _certificates.Of(listener, options), _connections);
            Registry.Listening.Listen(server, options.Operator.Url, Listener.Operator, _certificates.Operators(options), _connections);
        });
        SparingTransport.Use(builder.Services, (at, connection) => _connections?.RefusesForFiles(at, connection) == true);
        return builder.Build();
    }

    // One line each, to stderr: stdout is the access log's.
    private static void Logs(ILoggingBuilder logging) => logging
        .AddConsole(console =>
            (console.FormatterName, console.LogToStandardErrorThreshold) = (OneLineFormatter.FormatterName, LogLevel.Trace))
        .AddConsoleFormatter<OneLineFormatter, ConsoleFormatterOptions>()
        .AddFilter("Microsoft", LogLevel.Warning)
        // What asks at an upstream logs what fails there.
        .AddFilter("Yarp", LogLevel.None)
        // A start that failed is told in one line by whoever asked for it.
        .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None)
        // The server's own request log would make a span for each request that nobody collects.
        .AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);

    private async Task ListenAsync(GatewayOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await _app.StartAsync(cancellationToken);
        }
        catch (SocketException exception)
        {
            // Kestrel says "address in use" by an IOException that names the address; other refusals come bare.
            throw new IOException($"cannot listen: {exception.Message}", exception);
        }
        var descriptors = Descriptors.Measure();
        (_volume.OpenFiles.Capacity, _connections!.Descriptors) = (descriptors.OpenFiles, descriptors);
        if (descriptors.AreFew) ProcessMetrics.LogFew(Logger, descriptors.Limit, descriptors.Left);
        var addresses = _app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses;
        var bound = addresses.Select(address => BindingAddress.Parse(address).Port).ToArray();
        Listening = [.. options.Listen.Select((listener, i) => At(listener.Url, bound[i]))];
        Operator = At(options.Operator.Url, _connections.OperatorPort = bound[^1]);
    }

    private static Uri At(Uri url, int port) => new UriBuilder(url) { Port = port }.Uri;
}
