using System.Collections.Immutable;
using System.Net;
using Gateway.Configuration;
using RouteOptions = Gateway.Configuration.RouteOptions;

namespace Gateway.Repositories;

/// <summary>Where a repository is.</summary>
/// <param name="Upstream">Null for built-in storage.</param>
/// <param name="Name">The upstream's own name for it (on Docker Hub <c>library/nginx</c>, never <c>nginx</c>); the whole name in built-in
/// storage.</param>
internal readonly record struct Place(UpstreamOptions? Upstream, RepositoryName Name);

/// <summary>
/// Finds the repository of a request, and the canonical name of a repository. Rights and rules are evaluated with the canonical name,
/// whatever host, <c>?ns=</c> or path a request has. As a path, the canonical name leads back to the repository. A repository without one,
/// because routes give all of its names to others, cannot be reached.
/// </summary>
internal sealed class RepositoryNames
{
    /// <summary>The first component of every path of the API.</summary>
    private const string ApiVersion = "v2";

    private readonly GatewayOptions _options;

    // Longest prefix first; the route of every upstream is among them.
    private readonly ImmutableArray<RouteOptions> _routes;

    // The first route or upstream in the order above has a host or namespace that several have.
    private readonly Dictionary<string, RouteOptions> _byHost = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, UpstreamOptions> _byNamespace = new(StringComparer.Ordinal);

    public RepositoryNames(GatewayOptions options)
    {
        _options = options;
        _routes = [.. Completion.WithRouteOfEach(options.Upstreams, options.Routes)];
        foreach (var route in _routes)
        {
            foreach (var host in route.Hosts) _byHost.TryAdd(host, route);
        }
        foreach (var upstream in options.Upstreams.Values)
        {
            foreach (var ns in upstream.Namespaces) _byNamespace.TryAdd(ns, upstream);
        }
    }

    /// <summary>The repository of a path, whatever host or <c>?ns=</c> the request has; null when no route leads there.</summary>
    /// <param name="byPrefix">Whether to leave out the route with the empty prefix.</param>
    public Place? Find(RepositoryName path, bool byPrefix = false)
    {
        foreach (var route in _routes)
        {
            if (byPrefix && route.Prefix.Length == 0) continue;
            if (IsBelow(path.Value, route.Prefix)) return At(route, path, takesPrefixOff: true);
        }
        return null;
    }

    /// <summary>
    /// The repository of a request: by <c>?ns=</c>, which must be a configured namespace; otherwise by a host of a route; otherwise by the
    /// path. Null when there is none.
    /// </summary>
    public Place? Find(string host, string? ns, RepositoryName path)
    {
        if (ns is not null) return Named(ns) is { } upstream ? Of(upstream, path) : null;
        // The host stands for the prefix, which such clients cannot write.
        return _byHost.TryGetValue(host, out var route) ? At(route, path, takesPrefixOff: false) : Find(path);
    }

    /// <summary>The repository of an image's name below one of the gateway's own hosts; null for a name at another host.</summary>
    public Place? FindOwn(ImageReference image)
    {
        if (image.Path == image.Name || Named(image.Registry) is not null) return null;
        var host = image.Registry.Split(':')[0];
        return IsOwn(host) ? Find(host, null, RepositoryName.Parse(image.Path)) : null;
    }

    /// <summary>The upstream with this namespace (<c>?ns=</c>); null for none.</summary>
    public UpstreamOptions? Named(string ns)
    {
        return _byNamespace.GetValueOrDefault(ns);
    }

    /// <summary>
    /// The canonical name: of the names that its routes give the repository, the first that leads to it, longest prefix first. Null when
    /// none does, because a longer prefix leads elsewhere, the name would be too long, or a client wrote a part of it twice.
    /// </summary>
    public RepositoryName? NameOf(Place place)
    {
        if (WrittenTwice(place) is not null) return null;
        if (place.Upstream is null) return Find(place.Name) == place ? place.Name : null;
        foreach (var route in _routes)
        {
            if (route.Upstream != place.Upstream.Key) continue;
            if (Join(route.Prefix, place.Name.Value) is { } name && Find(name) == place) return name;
        }
        return null;
    }

    /// <summary>
    /// What is probably wrong with a request that finds no repository, and what to do; null when that is not known.
    /// </summary>
    public string? HintFor(string host, string? ns, RepositoryName path)
    {
        if (Find(host, ns, path) is not { } place)
        {
            var isRouted = ns is null
                ? _byHost.ContainsKey(host) || _routes.Any(static route => route.Prefix.Length == 0)
                : Named(ns) is not null;
            // A route leads to it, but with the route's prefix the name is too long.
            if (isRouted) return null;
            return ns is null
                ? "no route leads to it; the operator can add { prefix: \"\", storage: built-in } to routes"
                : $"{ns} is not an upstream of this gateway; add it under upstreams in the gateway's configuration";
        }
        var first = FirstOf(place.Name);
        if ((WrittenTwice(place) ?? (first == ApiVersion ? first : null)) is { } twice)
        {
            return twice == ApiVersion
                ? "the client sends /v2 twice; remove /v2 from its address of this gateway, or write override_path = true beside it"
                : $"the client sends {twice} twice; remove it from the image's name, or from the client's address of this gateway";
        }
        if (NameOf(place) is null) return "another route of this gateway has its name; give its upstream a route with a prefix of its own";
        return place.Upstream is null && first.Contains('.', StringComparison.Ordinal)
            ? $"{first} is not an upstream of this gateway; add it under upstreams in the gateway's configuration"
            : null;
    }

    private bool IsOwn(string host) =>
        host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address))
        || host.Equals(_options.PublicUrl?.Host, StringComparison.OrdinalIgnoreCase)
        || _options.Listen.Any(listener => listener.Hosts.Contains(host, StringComparer.OrdinalIgnoreCase))
        || _routes.Any(route => route.Hosts.Contains(host, StringComparer.OrdinalIgnoreCase));

    // A client whose address of the gateway has the API's path or the registry's name in it already. The upstream could only answer that
    // there is no such repository; one that has a repository with such a name is not known (docs/upstreams.md).
    private static string? WrittenTwice(Place place)
    {
        if (place.Upstream is not { } upstream) return null;
        var first = FirstOf(place.Name);
        if (first == ApiVersion) return first;
        var isHost = first.Contains('.', StringComparison.Ordinal);
        return isHost && (first == upstream.Key || upstream.Namespaces.Contains(first, StringComparer.Ordinal)) ? first : null;
    }

    private static string FirstOf(RepositoryName name) =>
        name.Value.IndexOf('/', StringComparison.Ordinal) is var slash and >= 0 ? name.Value[..slash] : name.Value;

    private Place? At(RouteOptions route, RepositoryName path, bool takesPrefixOff)
    {
        if (route.Upstream is { } key)
            return Of(_options.Upstreams[key], path, takesPrefixOff && route.Prefix.Length > 0 ? route.Prefix.Length + 1 : 0);
        var name = takesPrefixOff ? path : Join(route.Prefix, path.Value);
        return name is { } own ? new Place(null, own) : null;
    }

    /// <param name="skip">Characters of the path that are not the upstream's.</param>
    /// <returns>Null where the upstream's name would be too long.</returns>
    private static Place? Of(UpstreamOptions upstream, RepositoryName path, int skip = 0)
    {
        var rest = path.Value.AsSpan(skip);
        if (upstream.Library && !rest.Contains('/'))
            return RepositoryName.TryParse($"library/{rest}", out var name) ? new Place(upstream, name) : null;
        return new(upstream, skip == 0 ? path : RepositoryName.Parse(rest));
    }

    private static bool IsBelow(string path, string prefix) => prefix.Length == 0
        || (path.Length > prefix.Length + 1 && path[prefix.Length] == '/' && path.StartsWith(prefix, StringComparison.Ordinal));

    private static RepositoryName? Join(string prefix, string path) =>
        RepositoryName.TryParse(prefix.Length == 0 ? path : $"{prefix}/{path}", out var name) ? name : null;
}
