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
/// The endpoints of all upstreams as destinations of YARP's clusters, one cluster for each upstream. Fetches, pushes and web requests
/// share these endpoints and their health.
/// </summary>
internal sealed class UpstreamEndpoints
{
    // Chosen: probes find a failed endpoint before a client's request does. They change only the order of endpoints.
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(10);

    // Chosen: half the interval.
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(5);

    private readonly InMemoryConfigProvider _configuration;
    private readonly IProxyStateLookup _state;
    private readonly IDestinationHealthUpdater _health;
    private readonly Clients _clients;
    private readonly Applied _applied;

    /// <summary>Starts YARP's health probes of the clusters.</summary>
    /// <param name="services">The services that <see cref="UpstreamServices"/> added.</param>
    public UpstreamEndpoints(IServiceProvider services)
    {
        _configuration = services.GetRequiredService<InMemoryConfigProvider>();
        _state = services.GetRequiredService<IProxyStateLookup>();
        _health = services.GetRequiredService<IDestinationHealthUpdater>();
        _clients = services.GetRequiredService<Clients>();
        _applied = services.GetRequiredService<Applied>();
        // YARP loads its configuration when its routes are mapped. There are no routes here: the gateway itself decides by the raw target
        // which requests it forwards.
        new NoRoutes(services).MapReverseProxy();
    }

    /// <summary>Replaces all clusters in one step, and waits until YARP has applied them.</summary>
    /// <param name="clusters">The clusters, with a handler for each new one. An id must not be used again for other options.</param>
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

    /// <summary>The endpoints of one upstream. Requests that use them can finish after a later configuration has replaced them.</summary>
    public UpstreamCluster Find(string id) =>
        _state.TryGetCluster(id, out var cluster)
            ? new UpstreamCluster(cluster, _health)
            : throw new InvalidOperationException($"expected an applied upstream, got {id}");

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
                // A single endpoint needs no probes, because there is no other one to prefer. The gateway connects to it only for requests.
                Enabled = options.Urls.Length > 1,
                Interval = ProbeInterval,
                Timeout = ProbeTimeout,
                Path = "/v2/",
                Policy = AnyAnswerIsAlive.PolicyName,
            },
        },
    };

    /// <summary>Receives YARP's routes, which the gateway does not use.</summary>
    private sealed class NoRoutes(IServiceProvider services) : IEndpointRouteBuilder
    {
        public IServiceProvider ServiceProvider => services;

        public ICollection<EndpointDataSource> DataSources { get; } = [];

        public IApplicationBuilder CreateApplicationBuilder() => new ApplicationBuilder(services);
    }

    /// <summary>
    /// A health policy: an endpoint that answers a probe is healthy, also with 401, which YARP's own policy excludes. An endpoint that
    /// answers 429 or 5xx is unhealthy.
    /// </summary>
    internal sealed class AnyAnswerIsAlive(IDestinationHealthUpdater updater) : IActiveHealthCheckPolicy
    {
        public const string PolicyName = "AnyAnswerIsAlive";

        public string Name => PolicyName;

        public void ProbingCompleted(ClusterState cluster, IReadOnlyList<DestinationProbingResult> probingResults) =>
            updater.SetActive(cluster, probingResults.Select(r => new NewActiveDestinationHealth(r.Destination, HealthOf(r.Response))));

        private static DestinationHealth HealthOf(HttpResponseMessage? response) =>
            (int?)response?.StatusCode is >= 200 and < 500 and not 429 ? DestinationHealth.Healthy : DestinationHealth.Unhealthy;
    }

    /// <summary>Gives each cluster the handler that was made for it, which enforces the upstream's trust boundary.</summary>
    internal sealed class Clients : IForwarderHttpClientFactory
    {
        private readonly ConcurrentDictionary<string, HttpMessageHandler> _handlers = new();

        public void Add(string id, HttpMessageHandler handler) => _handlers.TryAdd(id, handler);

        public HttpMessageInvoker CreateClient(ForwarderHttpClientContext context) =>
            context.OldClient ?? (_handlers.TryRemove(context.ClusterId, out var handler)
                ? new HttpMessageInvoker(handler, disposeHandler: true)
                : throw new InvalidOperationException($"expected a handler for upstream {context.ClusterId}, got none"));
    }

    /// <summary>Signals when YARP has applied a configuration, which happens some time after the update.</summary>
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
    /// <summary>The connections to the upstream, within its trust boundary.</summary>
    public HttpMessageInvoker Client => cluster.Model.HttpClient;

    /// <summary>Whether the last probe of an endpoint failed; false if the endpoint is not probed.</summary>
    public bool IsUnhealthy(Uri endpoint) => Find(endpoint)?.Health.Active == DestinationHealth.Unhealthy;

    /// <summary>Marks an endpoint as unhealthy in the cluster for as long as its breaker is open.</summary>
    public void Exclude(Uri endpoint, TimeSpan pause)
    {
        if (Find(endpoint) is { } destination) health.SetPassive(cluster, destination, DestinationHealth.Unhealthy, pause);
    }

    private DestinationState? Find(Uri endpoint) => cluster.Destinations.GetValueOrDefault(endpoint.GetLeftPart(UriPartial.Authority));
}
