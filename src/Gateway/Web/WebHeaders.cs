using Gateway.Access;
using Microsoft.Extensions.Primitives;

namespace Gateway.Web;

/// <summary>Selects the client's headers that go to an upstream's web application, and rewrites headers of its responses.</summary>
internal static class WebHeaders
{
    // Headers that make servers use another path, method, host or client than the request itself has, by the beginnings of their names.
    // With them, the application would act on something else than the gateway has checked. Only the gateway sets forwarded headers.
    private static readonly string[] DroppedBeginnings =
    [
        "X-Forwarded", "X-Original", "X-Rewrite", "X-HTTP-Method", "X-Method", "X-Override", "X-Envoy-", "X-Accel-", "X-Sendfile",
        "X-Real-", "X-Client-", "X-Cluster-", "X-ProxyUser", "X-Script-Name", "X-Host", "X-Auth-Request-", "X-Remote-", "X-WebAuth-",
        "X-SSL-", "X-MS-Client-Principal", "CF-Connecting-", "Proxy",
    ];

    private static readonly HashSet<string> Dropped = new(StringComparer.OrdinalIgnoreCase)
    {
        "Forwarded", "True-Client-IP", "Client-IP", "Remote-User", "Request-URI", "Front-End-Https", "X-URL-Scheme", "X-Scheme", "X-Proto",
        "HTTP2-Settings", "Destination", "Via", "Keep-Alive", "TE", "Trailer",
    };

    // Headers that name ways to the upstream around the gateway, and instructions to a proxy in front of the gateway.
    private static readonly string[] DroppedOfResponses =
        ["Alt-Svc", "X-Accel-Redirect", "X-Sendfile", "X-Lighttpd-Send-File", "X-Reproxy-URL"];

    /// <summary>Whether a client's header is removed. Names with an underscore are: some servers read it as a hyphen.</summary>
    public static bool IsDropped(string name) => name.Contains('_', StringComparison.Ordinal) || Dropped.Contains(name)
        || DroppedBeginnings.Any(beginning => name.StartsWith(beginning, StringComparison.OrdinalIgnoreCase));

    /// <summary>
    /// Removes headers of the client by name, and headers whose value is a path that the gateway would not forward, which covers headers
    /// that are not listed here. Sessions of the console stay at the gateway.
    /// </summary>
    /// <param name="upgrades">Whether the request asks for a WebSocket; no other upgrade is passed on.</param>
    public static void Reduce(IHeaderDictionary headers, bool upgrades)
    {
        foreach (var name in headers.Where(h => IsDropped(h.Key) || NamesOtherPath(h.Value)).Select(h => h.Key).ToArray())
            headers.Remove(name);
        if (!upgrades) headers.Remove("Upgrade");
        if (headers.Cookie.Count == 0) return;
        headers.Cookie = ForeignCookies(headers.Cookie);
        if (headers.Cookie.Count == 0) headers.Remove("Cookie");
    }

    // Pairs of a Cookie header are separated by semicolons (RFC 6265, 4.2.1). A header without a cookie of the gateway is not changed.
    private static StringValues ForeignCookies(StringValues values)
    {
        var pairs = string.Join("; ", values.ToArray()).Split(';');
        var kept = pairs.Where(static pair => !SessionCookies.IsOwn(CookieName(pair))).ToArray();
        if (kept.Length == pairs.Length) return values;
        return kept.Length == 0 ? StringValues.Empty : string.Join(';', kept).Trim();
    }

    private static ReadOnlySpan<char> CookieName(string cookie)
    {
        var end = cookie.AsSpan().IndexOfAny('=', ';');
        return (end < 0 ? cookie : cookie.AsSpan(0, end)).Trim();
    }

    private static bool NamesOtherPath(StringValues values) => values.Any(
        value => value is ['/', ..] && (WebTarget.IsOfGateway(value) || WebTarget.ProblemOf(value) is not null));

    /// <summary>Rewrites the upstream's headers to the address by which the client reaches the gateway.</summary>
    /// <param name="baseUrl">That address, without a slash at its end.</param>
    /// <param name="upstreamHosts">Authorities (<c>host[:port]</c>) under which the upstream may speak of itself.</param>
    public static void Rewrite(IHeaderDictionary headers, string baseUrl, IReadOnlyCollection<string> upstreamHosts)
    {
        foreach (var name in DroppedOfResponses) headers.Remove(name);
        if (headers.Location.Count > 0) headers.Location = LocationOf(headers.Location.ToString(), baseUrl, upstreamHosts);
        if (headers["Content-Location"] is { Count: > 0 } content)
            headers["Content-Location"] = LocationOf(content.ToString(), baseUrl, upstreamHosts);
        if (headers.SetCookie.Count > 0)
        {
            var host = HostOf(new Uri(baseUrl).Authority);
            headers.SetCookie = new StringValues([.. headers.SetCookie.Where(c => !SessionCookies.IsOwn(CookieName(c ?? "")))
                .Select(c => CookieOf(c ?? "", host, upstreamHosts))]);
        }
    }

    /// <summary>A <c>Location</c> that leads to the upstream itself, leading to the gateway instead; any other as it is.</summary>
    internal static string LocationOf(string location, string baseUrl, IReadOnlyCollection<string> upstreamHosts)
    {
        var slashes = location.IndexOf("//", StringComparison.Ordinal);
        if (slashes < 0 || location[..slashes].ToLowerInvariant() is not ("" or "http:" or "https:")) return location;
        var rest = location[(slashes + 2)..];
        var end = rest.AsSpan().IndexOfAny("/?#");
        var authority = WithoutDefaultPort(end < 0 ? rest : rest[..end]);
        return upstreamHosts.Any(host => WithoutDefaultPort(host).Equals(authority, StringComparison.OrdinalIgnoreCase))
            ? baseUrl + (end < 0 ? "/" : rest[end] == '/' ? rest[end..] : "/" + rest[end..])
            : location;
    }

    /// <summary>
    /// A <c>Set-Cookie</c> without a <c>Domain</c> that is the upstream's and not the gateway's: the cookie is then the gateway host's own.
    /// Paths are the same on both sides.
    /// </summary>
    internal static string CookieOf(string cookie, string host, IReadOnlyCollection<string> upstreamHosts)
    {
        var parts = cookie.Split(';');
        var kept = parts.Where((part, i) => i == 0 || !IsForeignDomain(part, host, upstreamHosts)).ToArray();
        return kept.Length == parts.Length ? cookie : string.Join(';', kept);
    }

    private static bool IsForeignDomain(string part, string host, IReadOnlyCollection<string> upstreamHosts)
    {
        var equals = part.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0 || !part[..equals].Trim().Equals("Domain", StringComparison.OrdinalIgnoreCase)) return false;
        var domain = part[(equals + 1)..].Trim().TrimStart('.');
        return !IsWithin(host, domain) && upstreamHosts.Any(upstream => IsWithin(HostOf(upstream), domain));
    }

    private static bool IsWithin(string host, string domain) => host.Equals(domain, StringComparison.OrdinalIgnoreCase)
        || host.EndsWith("." + domain, StringComparison.OrdinalIgnoreCase);

    private static string HostOf(string authority) => new HostString(authority).Host;

    private static string WithoutDefaultPort(string authority) =>
        authority.EndsWith(":80", StringComparison.Ordinal) ? authority[..^3]
        : authority.EndsWith(":443", StringComparison.Ordinal) ? authority[..^4]
        : authority;
}
