using System.Net;
using Gateway.Configuration;
using RouteOptions = Gateway.Configuration.RouteOptions;

namespace Gateway.Commands.Clients;

/// <summary>An upstream as clients see it.</summary>
/// <param name="Namespaces">Registries in image names that mean it, such as <c>ghcr.io</c>.</param>
/// <param name="Prefix">Path of its repositories in the gateway, without slashes at the ends; empty for none.</param>
/// <param name="Url">Its own address.</param>
internal sealed record ClientUpstream(string Key, IReadOnlyList<string> Namespaces, string Prefix, Uri Url);

/// <summary>The gateway as its clients see it: one address, and the registries that it stands for.</summary>
internal sealed class ClientView
{
    private readonly GatewayOptions _options;

    /// <param name="address">The address that clients use; null for that of the configuration.</param>
    /// <param name="authority">
    /// Path, on the client, of the authority that signed the certificate; null if the client trusts it already.
    /// </param>
    public ClientView(GatewayOptions options, Uri? address, string? authority)
    {
        _options = options;
        (Address, IsGuess) = address is not null ? (address, false) : AddressOf(options);
        Authority = IsTls ? authority : null;
        Upstreams = [.. options.Upstreams.Values.Select(Of).OfType<ClientUpstream>()];
    }

    /// <summary>Scheme, host and port.</summary>
    public Uri Address { get; }

    /// <summary>Whether the configuration does not say which name clients use.</summary>
    public bool IsGuess { get; }

    /// <summary>Path, on the client, of a PEM file; null for none.</summary>
    public string? Authority { get; }

    public bool IsTls => Address.Scheme == Uri.UriSchemeHttps;

    /// <summary>Whether only the gateway's own machine reaches the address.</summary>
    public bool IsLoopback => Addresses.IsLoopback(Address);

    /// <summary>Scheme, host and port, without a slash at the end.</summary>
    public string Url => Address.GetLeftPart(UriPartial.Authority);

    /// <summary>Host, and the port unless it is the scheme's own.</summary>
    public string Host => Address.Authority;

    /// <summary>Upstreams to which a route leads, in the order of their keys.</summary>
    public IReadOnlyList<ClientUpstream> Upstreams { get; }

    /// <summary>Whether clients can pull without an account from every upstream.</summary>
    public bool IsOpenToPull => _options.Access is not { } access
        || access.Rules.Any(rule => rule.Actors.Contains("anonymous") && rule.Actions.HasFlag(AccessActions.Pull));

    /// <summary>
    /// The address by which dockerd's own image store can pull from Docker Hub: it sends neither a prefix nor <c>?ns=</c>. Null if the
    /// gateway has none.
    /// </summary>
    public string? HubMirror
    {
        get
        {
            if (_options.Upstreams.Values.FirstOrDefault(IsHub) is not { } hub) return null;
            if (_options.Routes.Any(route => route.Prefix.Length == 0 && route.Upstream == hub.Key)) return Url;
            var host = _options.Routes.FirstOrDefault(route => route.Upstream == hub.Key && !route.Hosts.IsEmpty)?.Hosts[0];
            return host is null ? null : new UriBuilder(Address) { Host = host }.Uri.GetLeftPart(UriPartial.Authority);
        }
    }

    /// <summary>Whether the gateway has Docker Hub as an upstream.</summary>
    public bool HasHub => _options.Upstreams.Values.Any(IsHub);

    /// <summary>The reference of an upstream's repositories by the gateway's own name: host and prefix.</summary>
    public string Location(ClientUpstream upstream) => upstream.Prefix.Length == 0 ? Host : $"{Host}/{upstream.Prefix}";

    /// <summary>Notes that apply to every client.</summary>
    public IEnumerable<string> CommonNotes()
    {
        if (IsGuess)
        {
            yield return $"The configuration does not say by which name clients reach this gateway, so {Host} is a guess: set publicUrl, "
                + "or give --address.";
        }
        if (IsLoopback) yield return $"Only this machine reaches {Host}; for other machines configure a listener, and give --address.";
        if (!IsTls && !IsLoopback) yield return $"{Url} has no TLS: passwords and images can be read and changed on the network.";
        if (IsTls && Authority is null)
        {
            yield return "The client must trust the authority that signed the gateway's certificate; give --ca with the path of its "
                + "certificate on the client to write it into the files.";
        }
        if (Upstreams.Count == 0) yield return "This gateway has no upstream; add one under upstreams in its configuration.";
    }

    private static bool IsHub(UpstreamOptions upstream) => upstream.Namespaces.Contains("docker.io", StringComparer.Ordinal);

    private ClientUpstream? Of(UpstreamOptions upstream)
    {
        var routes = _options.Routes.Where(route => route.Upstream == upstream.Key).ToArray();
        // Its own key is the name that people expect; otherwise any prefix leads to it.
        var route = routes.FirstOrDefault(each => each.Prefix == upstream.Key) ?? routes.FirstOrDefault();
        return route is null || upstream.Urls.IsEmpty ? null : new(upstream.Key, Names(upstream, route), route.Prefix, upstream.Urls[0]);
    }

    // A key that is no host name, such as "corp", is a prefix in paths and in no image's name. Clients write every image of Docker Hub as
    // docker.io, whatever its server is called.
    private static string[] Names(UpstreamOptions upstream, RouteOptions route)
    {
        if (IsHub(upstream)) return ["docker.io"];
        var hosts = upstream.Namespaces.Where(ns => ns.AsSpan().ContainsAny('.', ':') || ns == "localhost").ToArray();
        return hosts.Length > 0 ? hosts : [.. upstream.Namespaces.Where(ns => ns != route.Prefix)];
    }

    private static (Uri Address, bool IsGuess) AddressOf(GatewayOptions options)
    {
        if (options.PublicUrl is { } known) return (known, false);
        var listener = options.Listen.FirstOrDefault(each => each.Url.Scheme == Uri.UriSchemeHttps) ?? options.Listen[0];
        if (!listener.Hosts.IsEmpty) return (new UriBuilder(listener.Url) { Host = listener.Hosts[0].TrimStart('*', '.') }.Uri, false);
        var isAny = IPAddress.TryParse(listener.Url.Host.Trim('[', ']'), out var ip)
            && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any));
        return isAny ? (new UriBuilder(listener.Url) { Host = Dns.GetHostName() }.Uri, true) : (listener.Url, false);
    }
}
