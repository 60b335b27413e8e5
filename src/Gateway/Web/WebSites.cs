using RouteOptions = Gateway.Configuration.RouteOptions;
using System.Collections.Frozen;
using Gateway.Configuration;
using Gateway.Upstream;

namespace Gateway.Web;

/// <summary>A host of this gateway behind which an upstream's web application is.</summary>
/// <param name="Prefix">The route's prefix, with which access rules are evaluated.</param>
/// <param name="KeepsHost">Whether the upstream receives the client's <c>Host</c>.</param>
internal sealed record WebSite(string Prefix, UpstreamWeb Upstream, bool KeepsHost)
{
    /// <summary>The upstream's key, for messages, logs and metrics.</summary>
    public string Key => Upstream.Key;
}

/// <summary>Every host with <c>web: forward</c>, under one configuration.</summary>
internal sealed class WebSites
{
    public static readonly WebSites None = new([], _ => throw new InvalidOperationException("no route forwards to a web application"));

    private readonly FrozenDictionary<string, WebSite> _byHost;

    /// <param name="upstreamOf">Returns the upstream of a key.</param>
    public WebSites(IEnumerable<RouteOptions> routes, Func<string, UpstreamWeb> upstreamOf) => _byHost = routes
        .SelectMany(route => route.WebHosts.Select(
            host => (host, new WebSite(route.Prefix, upstreamOf(route.Upstream!), route.Web!.KeepsHost))))
        .ToFrozenDictionary(each => each.host, each => each.Item2, StringComparer.OrdinalIgnoreCase);

    /// <summary>The site of a host without port, lower case; null if the gateway answers everything itself.</summary>
    public WebSite? Find(string host) => _byHost.Count == 0 ? null : _byHost.GetValueOrDefault(host);
}
