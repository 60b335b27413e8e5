using System.Collections.Immutable;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Gateway.Upstream;

/// <summary>Every upstream of a configuration, by key. A reload keeps those that did not change: connections, tokens, breakers.</summary>
public sealed class UpstreamRegistries : IAsyncDisposable
{
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ResolveHost _resolve;
    private readonly UpstreamEndpoints _endpoints;
    private readonly UpstreamMetrics _metrics;
    private readonly IAsyncDisposable? _own;
    private readonly SemaphoreSlim _reloading = new(1, 1);
    private ImmutableDictionary<string, Entry> _entries = ImmutableDictionary<string, Entry>.Empty;
    private int _built;

    /// <summary>Has no upstreams before the first <see cref="ReloadAsync"/>.</summary>
    /// <param name="services">With <see cref="UpstreamServices.AddGatewayUpstreams"/>.</param>
    /// <param name="resolve">Finds the addresses of upstreams; null for the system's resolver.</param>
    /// <param name="own">Services that end with these upstreams; null where the host ends them.</param>
    internal UpstreamRegistries(IServiceProvider services, ResolveHost? resolve = null, IAsyncDisposable? own = null)
    {
        _clock = services.GetRequiredService<TimeProvider>();
        _logger = services.GetRequiredService<ILoggerFactory>().CreateLogger("Gateway.Upstream");
        _endpoints = services.GetRequiredService<UpstreamEndpoints>();
        _resolve = resolve ?? Dns.GetHostAddressesAsync;
        _own = own;
        _metrics = new UpstreamMetrics(() => _entries.Values.Select(e => e.Registry));
    }

    /// <summary>
    /// Builds upstreams without a gateway around them, with services of their own. Dials nobody, except for upstreams with several
    /// endpoints, whose health is then watched.
    /// </summary>
    public static async Task<UpstreamRegistries> BuildAsync(
        IEnumerable<RegistryOptions> upstreams, TimeProvider clock, ILoggerFactory loggers, ResolveHost? resolve = null)
    {
        var services = new ServiceCollection();
        services.AddLogging().AddSingleton(loggers).AddSingleton(clock);
        services.AddGatewayUpstreams();
        var provider = services.BuildServiceProvider();
        var registries = new UpstreamRegistries(provider, resolve, provider);
        await registries.ReloadAsync(upstreams);
        return registries;
    }

    /// <summary>The upstream of this key. Throws <see cref="KeyNotFoundException"/>.</summary>
    public IUpstreamRegistry this[string key] => _entries[key].Registry;

    /// <summary>The upstream of this key, for requests to its web application. Throws <see cref="KeyNotFoundException"/>.</summary>
    public UpstreamWeb WebOf(string key) => _entries[key].Web;

    /// <summary>Requests that an upstream's rate limit leaves all accounts together, as it last said; null where it did not.</summary>
    public long? RateLimitRemaining(string key) =>
        _entries.TryGetValue(key, out var entry) ? entry.Registry.RateLimit?.Remaining : null;

    /// <summary>
    /// Makes these the upstreams, all at once. Whoever holds one that changed may finish with it. Throws, and changes nothing, when one
    /// cannot be built.
    /// </summary>
    public async Task ReloadAsync(IEnumerable<RegistryOptions> upstreams)
    {
        await _reloading.WaitAsync();
        try
        {
            var plans = upstreams.Select(PlanOf).ToArray();
            await _endpoints.ApplyAsync([.. plans.Select(p => (p.Id, p.Options, p.Handler))]);
            _entries = plans.ToImmutableDictionary(p => p.Options.Key, p => p.Kept ?? Build(p));
        }
        finally
        {
            _reloading.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _metrics.Dispose();
        if (_own is not null) await _own.DisposeAsync();
        _reloading.Dispose();
    }

    private Plan PlanOf(RegistryOptions options)
    {
        if (_entries.TryGetValue(options.Key, out var kept) && kept.Registry.Options.ConnectsAs(options))
        {
            return new Plan(kept.Id, options, null, null, kept);
        }
        var boundary = new TrustBoundary(options);
        return new Plan($"{options.Key}#{++_built}", options, boundary, UpstreamHandler.Create(options, boundary, _resolve), null);
    }

    private Entry Build(Plan plan)
    {
        var (options, boundary) = (plan.Options, plan.Boundary!);
        var cluster = _endpoints.Find(plan.Id);
        var tokenClient = new TokenClient(options.Key, cluster.Client, _clock, _metrics);
        var passwords = new PasswordCheck(cluster.Client, _clock);
        var authenticator = new Authenticator(options, boundary, new TokenCache(_clock), tokenClient, passwords, _clock, _logger);
        var exchange = new UpstreamExchange(options, boundary, authenticator, cluster.Client, _clock);
        var breakers = options.Urls.Distinct().ToImmutableDictionary(url => url, _ => new Breaker(_clock));
        var accounts = AccountsOf(options);
        var registry = new UpstreamRegistry(options, cluster, exchange, breakers, accounts, new(_clock), _metrics, _clock, _logger);
        return new(plan.Id, registry, new(options, cluster, breakers, UpstreamHandler.CreateForWeb(options, boundary, _resolve), _logger));
    }

    private Accounts AccountsOf(RegistryOptions options)
    {
        var credentials = options.Credentials.DefaultIfEmpty(CredentialOptions.Anonymous);
        return new([.. credentials.Select(c =>
            new Account(c.Name, new CredentialSource(options, c, CredentialSource.RefusalLifetime, _clock), _clock))]);
    }

    private sealed record Entry(string Id, UpstreamRegistry Registry, UpstreamWeb Web);

    private sealed record Plan(string Id, RegistryOptions Options, TrustBoundary? Boundary, HttpMessageHandler? Handler, Entry? Kept);
}
