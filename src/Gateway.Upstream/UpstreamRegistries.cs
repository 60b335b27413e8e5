using System.Collections.Immutable;
using System.Net;
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
    private readonly SemaphoreSlim _reloading = new(1, 1);
    private ImmutableDictionary<string, Entry> _entries = ImmutableDictionary<string, Entry>.Empty;
    private int _built;

    private UpstreamRegistries(TimeProvider clock, ILogger logger, ResolveHost resolve)
    {
        (_clock, _logger, _resolve) = (clock, logger, resolve);
        _endpoints = new UpstreamEndpoints(clock);
        _metrics = new UpstreamMetrics(() => _entries.Values.Select(e => e.Registry));
    }

    /// <summary>Builds them; dials nobody, but for upstreams with several endpoints, whose health is then watched.</summary>
    public static async Task<UpstreamRegistries> BuildAsync(
        IEnumerable<UpstreamOptions> upstreams, TimeProvider clock, ILoggerFactory loggers, ResolveHost? resolve = null)
    {
        var registries = new UpstreamRegistries(clock, loggers.CreateLogger("Gateway.Upstream"), resolve ?? Dns.GetHostAddressesAsync);
        await registries.ReloadAsync(upstreams);
        return registries;
    }

    /// <summary>The upstream of this key. Throws <see cref="KeyNotFoundException"/>.</summary>
    public IUpstreamRegistry this[string key] => _entries[key].Registry;

    /// <summary>Requests that an upstream's rate limit leaves all accounts together, as it last said; null where it did not.</summary>
    public long? RateLimitRemaining(string key) =>
        _entries.TryGetValue(key, out var entry) ? entry.Registry.RateLimit?.Remaining : null;

    /// <summary>
    /// Makes these the upstreams, all at once. Whoever holds one that changed may finish with it. Throws, and changes nothing, when one
    /// cannot be built.
    /// </summary>
    public async Task ReloadAsync(IEnumerable<UpstreamOptions> upstreams)
    {
        await _reloading.WaitAsync();
        try
        {
            var plans = upstreams.Select(PlanOf).ToArray();
            await _endpoints.ApplyAsync([.. plans.Select(p => (p.Id, p.Options, p.Handler))]);
            _entries = plans.ToImmutableDictionary(p => p.Options.Key, p => p.Kept ?? new Entry(p.Id, Build(p)));
        }
        finally
        {
            _reloading.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _metrics.Dispose();
        await _endpoints.DisposeAsync();
        _reloading.Dispose();
    }

    private Plan PlanOf(UpstreamOptions options)
    {
        if (_entries.TryGetValue(options.Key, out var kept) && AreSame(kept.Registry.Options, options))
        {
            return new Plan(kept.Id, options, null, null, kept);
        }
        var boundary = new TrustBoundary(options);
        return new Plan($"{options.Key}#{++_built}", options, boundary, UpstreamHandler.Create(options, boundary, _resolve), null);
    }

    private UpstreamRegistry Build(Plan plan)
    {
        var (options, boundary) = (plan.Options, plan.Boundary!);
        var cluster = _endpoints.Find(plan.Id);
        var tokenClient = new TokenClient(options.Key, cluster.Client, _clock, _metrics);
        var passwords = new PasswordCheck(cluster.Client, _clock);
        var authenticator = new Authenticator(options, boundary, new TokenCache(_clock), tokenClient, passwords, _clock, _logger);
        var exchange = new UpstreamExchange(options, boundary, authenticator, cluster.Client, _clock);
        var breakers = options.Urls.Distinct().ToImmutableDictionary(url => url, _ => new Breaker(_clock));
        return new UpstreamRegistry(options, cluster, exchange, breakers, AccountsOf(options), new(_clock), _metrics, _clock, _logger);
    }

    private Accounts AccountsOf(UpstreamOptions options)
    {
        var credentials = options.Credentials.DefaultIfEmpty(CredentialOptions.Anonymous);
        return new([.. credentials.Select(c =>
            new Account(c.Name, new CredentialSource(options, c, CredentialSource.RefusalLifetime, _clock), _clock))]);
    }

    /// <summary>By value; a record alone compares its lists by identity.</summary>
    private static bool AreSame(UpstreamOptions a, UpstreamOptions b) =>
        a.Urls.SequenceEqual(b.Urls) && a.Namespaces.SequenceEqual(b.Namespaces) && a.Realms.SequenceEqual(b.Realms)
        && a.Redirects.SequenceEqual(b.Redirects) && a.Credentials.SequenceEqual(b.Credentials)
        && a.Tags.Immutable.SequenceEqual(b.Tags.Immutable)
        && a == b with
        {
            Urls = a.Urls,
            Namespaces = a.Namespaces,
            Realms = a.Realms,
            Redirects = a.Redirects,
            Credentials = a.Credentials,
            Tags = b.Tags with { Immutable = a.Tags.Immutable },
        };

    private sealed record Entry(string Id, UpstreamRegistry Registry);

    private sealed record Plan(string Id, UpstreamOptions Options, TrustBoundary? Boundary, HttpMessageHandler? Handler, Entry? Kept);
}
