using System.Collections.Immutable;
using Gateway.Policy.Signatures;
using Gateway.Upstream;

namespace Gateway.Configuration;

/// <summary>Looks at the sections together: fills in what follows from others, and finds what contradicts itself.</summary>
internal static class Completion
{
    /// <summary>The options as they hold; what is wrong is added to the reading.</summary>
    public static GatewayOptions Complete(GatewayOptions options, Reading reading)
    {
        if (reading.IsSound("listen") && reading.IsSound("operator") && reading.IsSound("tls")) Listeners.Check(options, reading);
        if (reading.IsSound("listen") && reading.IsSound("tls") && reading.IsSound("access")) CheckCertificates(options, reading);
        if (reading.IsSound("upstreams")) CheckNamespaces(options, reading);
        if (reading.IsSound("upstreams") && reading.IsSound("access")) CheckPassthrough(options, reading);
        if (reading.IsSound("routes") && reading.IsWritten("routes")) CheckRoutes(options, reading);
        if (reading.IsSound("upstreams") && reading.IsSound("routes") && reading.IsSound("policy"))
            CheckSignatureRepositories(options, reading);
        var routes = reading.IsWritten("routes") ? options.Routes : [new RouteOptions { Prefix = "" }];
        return options with
        {
            Storage = reading.IsWritten("storage.path") ? options.Storage : new() { Path = reading.Absolute("./data") },
            Routes = [.. WithRouteOfEach(options.Upstreams, routes)],
        };
    }

    private static void CheckCertificates(GatewayOptions options, Reading reading)
    {
        if (options.Access is { } access && AccessSchema.NamesCertificates(access) && !options.AsksForCertificates)
        {
            reading.Add(
                "access", $"actors that begin with {AccessSchema.CertificateActor} are known by a certificate, which no listener asks for; "
                + "write tls: { …, clientAuthorities: ca.pem } and an https listener");
        }
    }

    /// <summary>
    /// These routes, longest prefix first, and for each upstream that none of them leads to one under its key, unless that prefix has a
    /// route: a repository that <c>?ns=</c> reaches needs a name for rights and rules, and the name must be its own.
    /// </summary>
    public static IEnumerable<RouteOptions> WithRouteOfEach(
        ImmutableSortedDictionary<string, UpstreamOptions> upstreams, ImmutableArray<RouteOptions> routes) => upstreams.Keys
        .Where(key => routes.All(route => route.Upstream != key && route.Prefix != key))
        .Select(key => new RouteOptions { Prefix = key, Upstream = key })
        .Concat(routes)
        .OrderByDescending(route => route.Prefix.Length);

    // What such an upstream has depends on who asks, and a verdict does not.
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
                        place, $"expected a repository that the gateway reads by its own account, got {name} of the upstream {key} with "
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
                    reading.Add($"upstreams.{upstream.Key}.namespaces", $"'{name}' already means upstream {owners[name]}");
            }
        }
    }

    // A request has one Authorization header, and clients keep one login for a host: it must be clear whose it is.
    private static void CheckPassthrough(GatewayOptions options, Reading reading)
    {
        string[] keys = [.. options.Upstreams.Values.Where(u => u.Auth == UpstreamAuth.Passthrough).Select(u => u.Key)];
        if (keys.Length == 0) return;
        if (options.Access is { Htpasswd: not null } or { Issuers.Count: > 0 })
        {
            reading.Add(
                $"upstreams.{keys[0]}.auth",
                "passthrough needs the clients' Authorization header, which access.htpasswd and access.issuers take for our own "
                + "actors; leave those out, or run a second gateway for this upstream");
        }
        if (options.AsksForCertificates)
            reading.Add($"upstreams.{keys[0]}.auth", "passthrough knows no actors of ours; leave tls.clientAuthorities out");
        foreach (var key in keys.Skip(1))
        {
            reading.Add(
                $"upstreams.{key}.auth",
                $"only one upstream can be passthrough, and {keys[0]} is: clients would show either the other's passwords; "
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
            if (!prefixes.Add(route.Prefix)) reading.Add($"routes[{i}].prefix", $"'{route.Prefix}' already has a route");
            if (route.Hosts.FirstOrDefault(host => !hosts.Add(host)) is { } taken)
                reading.Add($"routes[{i}].hosts", $"'{taken}' already means another route");
            if (route.Upstream is { } key && !reading.IsWritten($"upstreams.{key}"))
                reading.Add($"routes[{i}].upstream", $"no upstream is named '{key}'{NearestName.Hint(key, options.Upstreams.Keys)}");
            CheckForwarding(options, i, reading);
        }
    }

    // One repository of an upstream is one repository here, by whichever route it is asked for.
    private static void CheckForwarding(GatewayOptions options, int i, Reading reading)
    {
        var route = options.Routes[i];
        if (route.ForwardsLater && options.Upstreams.GetValueOrDefault(route.Upstream ?? "")?.Auth == UpstreamAuth.Passthrough)
            reading.Add(
                $"routes[{i}].forward",
                "async needs credentials of our own, and upstreams."
                + $"{route.Upstream}.auth is passthrough: clients' are not kept; write forward: sync");
        var other = options.Routes.Take(i).FirstOrDefault(r => r.Upstream == route.Upstream && route.Upstream is not null);
        if (other is not null && (other.Forwards, other.ForwardsLater) != (route.Forwards, route.ForwardsLater))
        {
            var what = $"the route '{other.Prefix}' leads to upstream {route.Upstream} too, and says otherwise";
            reading.Add($"routes[{i}].push", $"{what}; write the same push and forward on both");
        }
    }
}
