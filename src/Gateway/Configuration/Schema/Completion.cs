using System.Collections.Immutable;
using Gateway.Policy.Signatures;
using Gateway.Upstream;

namespace Gateway.Configuration;

/// <summary>Checks the sections together: fills in defaults that depend on other sections, and finds contradictions.</summary>
internal static class Completion
{
    /// <summary>The completed options; mistakes are added to the reading.</summary>
    public static GatewayOptions Complete(GatewayOptions options, Reading reading)
    {
        if (reading.IsSound("listen") && reading.IsSound("operator") && reading.IsSound("tls")) Listeners.Check(options, reading);
        if (reading.IsSound("listen") && reading.IsSound("tls") && reading.IsSound("access")) CheckCertificates(options, reading);
        if (reading.IsSound("replicas") && reading.IsSound("tls")) ReplicaSchema.Check(options, reading);
        if (reading.IsSound("upstreams")) CheckNamespaces(options, reading);
        if (reading.IsSound("upstreams") && reading.IsSound("access")) CheckPassthrough(options, reading);
        if (reading.IsSound("routes") && reading.IsWritten("routes")) CheckRoutes(options, reading);
        if (reading.IsSound("upstreams") && reading.IsSound("routes") && reading.IsSound("policy"))
            CheckSignatureRepositories(options, reading);
        var routes = reading.IsWritten("routes") ? options.Routes : [new RouteOptions { Prefix = "" }];
        return options with
        {
            Upstreams = WithOwnNames(options.Upstreams, options.Routes),
            Storage = reading.IsWritten("storage.path") ? options.Storage : options.Storage with { Path = reading.Absolute("./data") },
            Routes = [.. WithRouteOfEach(options.Upstreams, routes)],
        };
    }

    // Where the gateway stands in front of an application under its name, the upstream goes on calling itself by it.
    private static ImmutableSortedDictionary<string, UpstreamOptions> WithOwnNames(
        ImmutableSortedDictionary<string, UpstreamOptions> upstreams, ImmutableArray<RouteOptions> routes) => upstreams.SetItems(
        from route in routes
        where route.Web is not null && route.Upstream is not null && upstreams.ContainsKey(route.Upstream)
        group route by route.Upstream into same
        let names = same.SelectMany(route => route.WebHosts).Distinct().ToImmutableArray()
        select KeyValuePair.Create(same.Key, upstreams[same.Key] with { OwnNames = names }));

    private static void CheckCertificates(GatewayOptions options, Reading reading)
    {
        if (options.Access is { } access && AccessSchema.NamesCertificates(access) && !options.AsksForCertificates)
        {
            reading.Add(
                "access", $"actors that begin with {AccessSchema.CertificateActor} need a client certificate, but none is requested; "
                + "add tls: { …, clientAuthorities: ca.pem } and an https listener");
        }
    }

    /// <summary>
    /// These routes, longest prefix first, and a route under its key for each upstream without one, unless that prefix has a route. A
    /// repository that clients reach by <c>?ns=</c> needs a name for rights and rules, and no other repository may have that name.
    /// </summary>
    public static IEnumerable<RouteOptions> WithRouteOfEach(
        ImmutableSortedDictionary<string, UpstreamOptions> upstreams, ImmutableArray<RouteOptions> routes) => upstreams.Keys
        .Where(key => routes.All(route => route.Upstream != key && route.Prefix != key))
        .Select(key => new RouteOptions { Prefix = key, Upstream = key })
        .Concat(routes)
        .OrderByDescending(route => route.Prefix.Length);

    // The content of a passthrough upstream depends on the caller; a verdict does not.
    private static void CheckSignatureRepositories(GatewayOptions options, Reading reading)
    {
        var routes = WithRouteOfEach(options.Upstreams, options.Routes).ToArray();
        foreach (var (id, authority) in options.Policy?.Trust.Authorities ?? ImmutableSortedDictionary<string, AuthorityOptions>.Empty)
        {
            foreach (var (i, name) in authority.SignatureRepositories.Index())
            {
                var route = routes.FirstOrDefault(
                    r => r.Prefix.Length == 0 || name.Value.StartsWith($"{r.Prefix}/", StringComparison.Ordinal));
                var place = $"policy.trust.authorities.{id}.signatureRepositories[{i}]";
                if (route?.Upstream is { } key && options.Upstreams.TryGetValue(key, out var upstream)
                    && upstream.Auth == UpstreamAuth.Passthrough)
                {
                    reading.Add(
                        place, $"expected a repository that the gateway reads by its own account, got {name} of upstream {key} with "
                        + "auth: passthrough; write another repository, or give the upstream an account");
                }
                else if (route is null && reading.IsWritten("routes"))
                {
                    reading.Add(place, $"expected a repository of this gateway, got {name}, to which no route leads; add a route for it");
                }
            }
        }
    }

    private static void CheckNamespaces(GatewayOptions options, Reading reading)
    {
        var owners = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var upstream in options.Upstreams.Values)
        {
            foreach (var name in upstream.Namespaces.Distinct())
            {
                if (!owners.TryAdd(name, upstream.Key))
                    reading.Add($"upstreams.{upstream.Key}.namespaces", $"'{name}' already means upstream {owners[name]}; remove one");
            }
        }
    }

    // A request has one Authorization header, and clients keep one login for a host, so only one party can use it.
    private static void CheckPassthrough(GatewayOptions options, Reading reading)
    {
        string[] keys = [.. options.Upstreams.Values.Where(u => u.Auth == UpstreamAuth.Passthrough).Select(u => u.Key)];
        if (keys.Length == 0) return;
        if (options.Access is { Htpasswd: not null } or { Issuers.Count: > 0 })
        {
            reading.Add(
                $"upstreams.{keys[0]}.auth",
                "passthrough needs the clients' Authorization header, which access.htpasswd and access.issuers also use; "
                + "remove those, or run a second gateway for this upstream");
        }
        if (options.AsksForCertificates)
            reading.Add($"upstreams.{keys[0]}.auth", "passthrough does not identify clients by certificate; remove tls.clientAuthorities");
        foreach (var key in keys.Skip(1))
        {
            reading.Add(
                $"upstreams.{key}.auth",
                $"only one upstream can be passthrough, and {keys[0]} already is: each would get the other's passwords; "
                + "run a second gateway");
        }
    }

    private static void CheckRoutes(GatewayOptions options, Reading reading)
    {
        var prefixes = new HashSet<string>(StringComparer.Ordinal);
        var hosts = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < options.Routes.Length; i++)
        {
            var route = options.Routes[i];
            if (!prefixes.Add(route.Prefix)) reading.Add($"routes[{i}].prefix", $"'{route.Prefix}' already has a route; remove one");
            if (route.Hosts.FirstOrDefault(host => !hosts.Add(host)) is { } taken)
                reading.Add($"routes[{i}].hosts", $"'{taken}' already belongs to another route; remove one");
            if (route.Upstream is { } key && !reading.IsWritten($"upstreams.{key}"))
                reading.Add($"routes[{i}].upstream", $"'{key}' is not a key of upstreams{NearestName.Hint(key, options.Upstreams.Keys)}");
            CheckForwarding(options, i, reading);
        }
    }

    // One repository of an upstream is one repository here, regardless of the route.
    private static void CheckForwarding(GatewayOptions options, int i, Reading reading)
    {
        var route = options.Routes[i];
        if (route.ForwardsLater && options.Upstreams.GetValueOrDefault(route.Upstream ?? "")?.Auth == UpstreamAuth.Passthrough)
            reading.Add(
                $"routes[{i}].forward",
                "async needs the gateway's own credentials, but upstreams."
                + $"{route.Upstream}.auth is passthrough, and clients' credentials are not stored; write forward: sync");
        var other = options.Routes.Take(i).FirstOrDefault(r => r.Upstream == route.Upstream && route.Upstream is not null);
        if (other is not null && (other.Forwards, other.ForwardsLater) != (route.Forwards, route.ForwardsLater))
        {
            var what = $"the route '{other.Prefix}' to the same upstream {route.Upstream} has other values";
            reading.Add($"routes[{i}].push", $"{what}; write the same push and forward on both");
        }
    }
}
