using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace Gateway.Upstream;

/// <summary>
/// The endpoints of every upstream as destinations of YARP's clusters, one cluster for an upstream: whoever sends to an upstream, fetch or
/// forward, shares connections and health. The only file that names YARP. YARP loads clusters when its routes are mapped, and here there
/// are none; so it lives in a host of its own, which is never started and listens nowhere.
/// </summary>
internal sealed class UpstreamEndpoints : IAsyncDisposable
{
    // A dead endpoint of several is found by this and not by a client's request. It keeps nobody out, it only orders.
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(5);

    private readonly WebApplication _host;
    private readonly Clients _clients = new();
    private readonly Applied _applied = new();

    public UpstreamEndpoints(TimeProvider clock)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        // YARP asks for a server while it loads.
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRouting().AddSingleton(clock);
        builder.Services.AddReverseProxy().LoadFromMemory([], []);
        // YARP registers data protection for its session affinity, which nothing here uses; its keys must not be written to disk.
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();
        builder.Services.AddSingleton<IForwarderHttpClientFactory>(_clients).AddSingleton<IActiveHealthCheckPolicy, AnyAnswerIsAlive>()
            .AddSingleton<IConfigChangeListener>(_applied);
        _host = builder.Build();
        _host.MapReverseProxy();
    }

    /// <summary>Makes these the clusters, all at once, and waits until YARP has them. Ids are never used again for other options.</summary>
    /// <param name="clusters">With a handler for each that is new.</param>
    public Task ApplyAsync(IReadOnlyCollection<(string Id, UpstreamOptions Options, HttpMessageHandler? Handler)> clusters)
    {
        foreach (var (id, _, handler) in clusters)
        {
            if (handler is not null) _clients.Add(id, handler);
        }
        var revision = Guid.NewGuid().ToString();
        var applied = _applied.WaitFor(revision);
        var configuration = _host.Services.GetRequiredService<InMemoryConfigProvider>();
        configuration.Update([], [.. clusters.Select(c => ClusterOf(c.Id, c.Options))], revision);
        return applied;
    }

    /// <summary>The endpoints of one upstream. They go on working for who holds them when a later configuration has others.</summary>
    public UpstreamCluster Find(string id) =>
        _host.Services.GetRequiredService<IProxyStateLookup>().TryGetCluster(id, out var cluster)
            ? new UpstreamCluster(cluster, _host.Services.GetRequiredService<IDestinationHealthUpdater>())
            : throw new InvalidOperationException($"no upstream {id} has been applied");

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private static ClusterConfig ClusterOf(string id, UpstreamOptions options) => new()
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

    /// <summary>A registry that answers is alive, also with 401: the stock policy wants 2xx. 429 and 5xx are no answers.</summary>
    private sealed class AnyAnswerIsAlive(IDestinationHealthUpdater updater) : IActiveHealthCheckPolicy
    {
        public const string PolicyName = "AnyAnswerIsAlive";

        public string Name => PolicyName;

        public void ProbingCompleted(ClusterState cluster, IReadOnlyList<DestinationProbingResult> probingResults) =>
            updater.SetActive(cluster, probingResults.Select(r => new NewActiveDestinationHealth(r.Destination, HealthOf(r.Response))));

        private static DestinationHealth HealthOf(HttpResponseMessage? response) =>
            (int?)response?.StatusCode is >= 200 and < 500 and not 429 ? DestinationHealth.Healthy : DestinationHealth.Unhealthy;
    }

    /// <summary>Gives each cluster the handler that was made for it, trust boundary included.</summary>
    private sealed class Clients : IForwarderHttpClientFactory
    {
        private readonly ConcurrentDictionary<string, HttpMessageHandler> _handlers = new();

        public void Add(string id, HttpMessageHandler handler) => _handlers.TryAdd(id, handler);

        public HttpMessageInvoker CreateClient(ForwarderHttpClientContext context) =>
            context.OldClient ?? (_handlers.TryRemove(context.ClusterId, out var handler)
                ? new HttpMessageInvoker(handler, disposeHandler: true)
                : throw new InvalidOperationException($"no handler for upstream {context.ClusterId}"));
    }

    /// <summary>YARP applies an update some time after it was told.</summary>
    private sealed class Applied : IConfigChangeListener
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
