using System.Collections.Immutable;
using System.Net;
using Microsoft.Extensions.DependencyInjection;

namespace Gateway.Upstream;

/// <summary>
/// The upstreams of a configuration, by key. A reload keeps the connections, tokens and breakers of upstreams that did not change.
/// </summary>
public sealed class UpstreamRegistries : IAsyncDisposable
{
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ResolveHost _resolve;
    private readonly UpstreamEndpoints _endpoints;
    private readonly UpstreamMetrics _metrics;
    private readonly ISharedLimits? _shared;
    private readonly IAsyncDisposable? _own;
    private readonly SemaphoreSlim _reloading = new(1, 1);
    private ImmutableDictionary<string, Entry> _entries = ImmutableDictionary<string, Entry>.Empty;
    private int _built;

    /// <summary>Contains no upstreams before the first <see cref="ReloadAsync"/>.</summary>
    /// <param name="services">Services that include those of <see cref="UpstreamServices.AddGatewayUpstreams"/>.</param>
    /// <param name="resolve">Resolves host names; null for the system's resolver.</param>
    /// <param name="own">Services to dispose with this object; null if the host disposes them.</param>
    internal UpstreamRegistries(IServiceProvider services, ResolveHost? resolve = null, IAsyncDisposable? own = null)
    {
        _clock = services.GetRequiredService<TimeProvider>();
        _logger = services.GetRequiredService<ILoggerFactory>().CreateLogger("Gateway.Upstream");
        _endpoints = services.GetRequiredService<UpstreamEndpoints>();
        _shared = services.GetService<ISharedLimits>();
        _resolve = resolve ?? Dns.GetHostAddressesAsync;
        _own = own;
        _metrics = new UpstreamMetrics(() => _entries.Values.Select(e => e.Registry));
    }

    /// <summary>
    /// Builds upstreams with their own services, for use outside the gateway's host. Makes no connections, except for health probes of
    /// upstreams with several endpoints.
    /// </summary>
    /// <param name="resolve">Resolves host names; null for the system's resolver.</param>
    /// <param name="shared">What other gateways know; null if this one is alone.</param>
    internal static async Task<UpstreamRegistries> BuildAsync(
        IEnumerable<RegistryOptions> upstreams, TimeProvider clock, ILoggerFactory loggers, ResolveHost? resolve = null,
        ISharedLimits? shared = null)
    {
        var services = new ServiceCollection();
        services.AddLogging().AddSingleton(loggers).AddSingleton(clock);
        if (shared is not null) services.AddSingleton(shared);
        services.AddGatewayUpstreams();
        var provider = services.BuildServiceProvider();
        var registries = new UpstreamRegistries(provider, resolve, provider);
        await registries.ReloadAsync(upstreams);
        return registries;
    }

    /// <summary>The upstream with this key.</summary>
    /// <exception cref="KeyNotFoundException">There is no such upstream.</exception>
    public IUpstreamRegistry this[string key] => _entries[key].Registry;

    /// <summary>The upstream with this key, for requests to its web application.</summary>
    /// <exception cref="KeyNotFoundException">There is no such upstream.</exception>
    public UpstreamWeb WebOf(string key) => _entries[key].Web;

    /// <summary>The requests that remain of an upstream's rate limit, over all accounts; null if unknown.</summary>
    public long? RateLimitRemaining(string key) =>
        _entries.TryGetValue(key, out var entry) ? entry.Registry.RateLimit?.Remaining : null;

    /// <summary>When the first of an upstream's rate limits is whole again, over all accounts; null if unknown.</summary>
    public DateTimeOffset? RateLimitResets(string key) =>
        _entries.TryGetValue(key, out var entry) ? entry.Registry.Accounts.Min(static account => account.Budget.Resets) : null;

    /// <summary>
    /// Whether requests can be sent to an upstream, and its rate limit (null if it states none). An unknown upstream is down.
    /// </summary>
    public (bool IsUp, RateLimit? RateLimit) StateOf(string key) =>
        _entries.TryGetValue(key, out var entry) ? (entry.Registry.IsUp, entry.Registry.RateLimit) : default;

    /// <summary>
    /// Replaces all upstreams in one step. Requests that use a replaced upstream can finish. If an upstream cannot be built, throws and
    /// changes nothing.
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

    /// <inheritdoc/>
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
        var others = _shared is null ? null : new LimitExchange(options, accounts, breakers, _shared, _clock);
        var registry = new UpstreamRegistry(
            options, cluster, exchange, breakers, accounts, new(_clock), _metrics, _clock, _logger, others);
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
