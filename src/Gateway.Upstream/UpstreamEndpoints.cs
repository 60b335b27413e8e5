using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace Gateway.Upstream;

/// <summary>
/// The endpoints of every upstream as destinations of YARP's clusters, one cluster for each upstream. Fetches, pushes and web requests
/// choose among the same endpoints, by the same health.
/// </summary>
internal sealed class UpstreamEndpoints
{
    // A dead endpoint of several is found by this and not by a client's request. It keeps no request out; it only orders.
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(5);

    private readonly InMemoryConfigProvider _configuration;
    private readonly IProxyStateLookup _state;
    private readonly IDestinationHealthUpdater _health;
    private readonly Clients _clients;
    private readonly Applied _applied;

    /// <summary>Starts YARP's watch over the clusters. The services come from <see cref="UpstreamServices"/>.</summary>
    public UpstreamEndpoints(IServiceProvider services)
    {
        _configuration = services.GetRequiredService<InMemoryConfigProvider>();
        _state = services.GetRequiredService<IProxyStateLookup>();
        _health = services.GetRequiredService<IDestinationHealthUpdater>();
        _clients = services.GetRequiredService<Clients>();
        _applied = services.GetRequiredService<Applied>();
        // YARP watches its configuration from when its routes are mapped. Here there are none: the gateway decides by the raw target which
        // requests are forwarded, and the server routes nothing.
        new NoRoutes(services).MapReverseProxy();
    }

    /// <summary>Makes these the clusters, all at once, and waits until YARP has them. Ids are never used again for other options.</summary>
    /// <param name="clusters">With a handler for each that is new.</param>
    public Task ApplyAsync(IReadOnlyCollection<(string Id, RegistryOptions Options, HttpMessageHandler? Handler)> clusters)
    {
        foreach (var (id, _, handler) in clusters)
        {
            if (handler is not null) _clients.Add(id, handler);
        }
        var revision = Guid.NewGuid().ToString();
        var applied = _applied.WaitFor(revision);
        _configuration.Update([], [.. clusters.Select(c => ClusterOf(c.Id, c.Options))], revision);
        return applied;
    }

    /// <summary>The endpoints of one upstream. They go on working for who holds them when a later configuration has others.</summary>
    public UpstreamCluster Find(string id) =>
        _state.TryGetCluster(id, out var cluster)
            ? new UpstreamCluster(cluster, _health)
            : throw new InvalidOperationException($"no upstream {id} has been applied");

    private static ClusterConfig ClusterOf(string id, RegistryOptions options) => new()
    {
        ClusterId = id,
        Destinations = options.Urls.Select(url => url.GetLeftPart(UriPartial.Authority)).Distinct()
            .ToDictionary(address => address, address => new DestinationConfig { Address = address }),
        HealthCheck = new HealthCheckConfig
        {
            AvailableDestinationsPolicy = HealthCheckConstants.AvailableDestinations.HealthyOrPanic,
            Active = new ActiveHealthCheckConfig
            {
                // One endpoint has no other to be preferred to it: it is dialled when somebody asks for something, and never else.
                Enabled = options.Urls.Length > 1,
                Interval = ProbeInterval,
                Timeout = ProbeTimeout,
                Path = "/v2/",
                Policy = AnyAnswerIsAlive.PolicyName,
            },
        },
    };

    /// <summary>Where YARP maps its routes, which nobody looks up.</summary>
    private sealed class NoRoutes(IServiceProvider services) : IEndpointRouteBuilder
    {
        public IServiceProvider ServiceProvider => services;

        public ICollection<EndpointDataSource> DataSources { get; } = [];

        public IApplicationBuilder CreateApplicationBuilder() => new ApplicationBuilder(services);
    }

    /// <summary>A registry that answers is alive, also with 401: the stock policy wants 2xx. 429 and 5xx are no answers.</summary>
    internal sealed class AnyAnswerIsAlive(IDestinationHealthUpdater updater) : IActiveHealthCheckPolicy
    {
        public const string PolicyName = "AnyAnswerIsAlive";

        public string Name => PolicyName;

        public void ProbingCompleted(ClusterState cluster, IReadOnlyList<DestinationProbingResult> probingResults) =>
            updater.SetActive(cluster, probingResults.Select(r => new NewActiveDestinationHealth(r.Destination, HealthOf(r.Response))));

        private static DestinationHealth HealthOf(HttpResponseMessage? response) =>
            (int?)response?.StatusCode is >= 200 and < 500 and not 429 ? DestinationHealth.Healthy : DestinationHealth.Unhealthy;
    }

    /// <summary>Gives each cluster the handler that was made for it, trust boundary included.</summary>
    internal sealed class Clients : IForwarderHttpClientFactory
    {
        private readonly ConcurrentDictionary<string, HttpMessageHandler> _handlers = new();

        public void Add(string id, HttpMessageHandler handler) => _handlers.TryAdd(id, handler);

        public HttpMessageInvoker CreateClient(ForwarderHttpClientContext context) =>
            context.OldClient ?? (_handlers.TryRemove(context.ClusterId, out var handler)
                ? new HttpMessageInvoker(handler, disposeHandler: true)
                : throw new InvalidOperationException($"no handler for upstream {context.ClusterId}"));
    }

    /// <summary>YARP applies an update some time after it was told.</summary>
    internal sealed class Applied : IConfigChangeListener
    {
        private readonly ConcurrentDictionary<string, TaskCompletionSource> _awaited = new();

        public Task WaitFor(string revision) =>
            _awaited.GetOrAdd(revision, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public void ConfigurationApplied(IReadOnlyList<IProxyConfig> proxyConfigs) =>
            End(proxyConfigs, source => source.TrySetResult());

        public void ConfigurationApplyingFailed(IReadOnlyList<IProxyConfig> proxyConfigs, Exception exception) =>
            End(proxyConfigs, source => source.TrySetException(exception));

        public void ConfigurationLoaded(IReadOnlyList<IProxyConfig> proxyConfigs)
        {
        }

        public void ConfigurationLoadingFailed(IProxyConfigProvider configProvider, Exception exception)
        {
        }

        private void End(IReadOnlyList<IProxyConfig> configs, Action<TaskCompletionSource> end)
        {
            foreach (var config in configs)
            {
                if (_awaited.TryRemove(config.RevisionId, out var source)) end(source);
            }
        }
    }
}

/// <summary>One upstream's connections and the health of its endpoints.</summary>
internal sealed class UpstreamCluster(ClusterState cluster, IDestinationHealthUpdater health)
{
    public HttpMessageInvoker Client => cluster.Model.HttpClient;

    /// <summary>Whether the last probe of an endpoint found nobody; false where none is probed.</summary>
    public bool IsIll(Uri endpoint) => Find(endpoint)?.Health.Active == DestinationHealth.Unhealthy;

    /// <summary>Tells whoever looks at the cluster that an endpoint is left alone for so long.</summary>
    public void Exclude(Uri endpoint, TimeSpan pause)
    {
        if (Find(endpoint) is { } destination) health.SetPassive(cluster, destination, DestinationHealth.Unhealthy, pause);
    }

    private DestinationState? Find(Uri endpoint) => cluster.Destinations.GetValueOrDefault(endpoint.GetLeftPart(UriPartial.Authority));
}
