using System.Net;

namespace Gateway.Upstream;

/// <summary>What the gateway sends to a token server.</summary>
internal enum RealmTrust
{
    /// <summary>No request.</summary>
    Refused,

    /// <summary>A request without credentials.</summary>
    Anonymous,

    /// <summary>A request with the credentials of the upstream.</summary>
    Credentials,
}

/// <summary>
/// Decides which hosts the gateway connects to for an upstream, and which of them receive its credentials. Hosts in the configuration can
/// have any address; other hosts must have a public address, and receive no credentials. An upstream's responses (realm, Location) cannot
/// extend this (CVE-2026-33540, CVE-2020-15157).
/// </summary>
internal sealed class TrustBoundary(RegistryOptions options)
{
    /// <summary>What the gateway sends to the realm of a challenge from <paramref name="endpoint"/>.</summary>
    public RealmTrust TrustOf(Uri endpoint, Uri realm)
    {
        if (!IsHttp(realm) || realm.UserInfo.Length > 0 || IsDowngrade(endpoint, realm)) return RealmTrust.Refused;
        if (SameHostAndPort(endpoint, realm) || options.Realms.Any(listed => SameOrigin(listed, realm))) return RealmTrust.Credentials;
        return realm.Scheme == Uri.UriSchemeHttps && !IsPrivateLiteral(realm) ? RealmTrust.Anonymous : RealmTrust.Refused;
    }

    /// <summary>
    /// Resolves an address that an endpoint named. An address under one of <see cref="RegistryOptions.OwnNames"/> becomes an address of the
    /// endpoint, because the endpoint does not know that the name leads to the gateway. Other addresses do not change.
    /// </summary>
    public Uri Resolve(Uri endpoint, Uri named) =>
        IsHttp(named) && named.UserInfo.Length == 0 && options.OwnNames.Contains(named.IdnHost, StringComparer.OrdinalIgnoreCase)
            ? new Uri(endpoint.GetLeftPart(UriPartial.Authority) + named.PathAndQuery)
            : named;

    /// <summary>Why the gateway must not follow a redirect; null if it can. The text continues "redirects" or "sends uploads".</summary>
    public string? RefusalOf(Uri from, Uri to)
    {
        if (!IsHttp(to)) return "to an address that is not http or https";
        if (to.UserInfo.Length > 0) return "to an address with a user name in it";
        if (IsDowngrade(from, to)) return "from https to http";
        return IsPrivateLiteral(to) && !MayBePrivate(to.IdnHost, to.Port)
            ? "to a private address; add the host to the upstream's `redirects` to allow this"
            : null;
    }

    /// <summary>
    /// Whether the gateway can connect to this host at a private, loopback or link-local address: only to hosts in the configuration.
    /// </summary>
    public bool MayBePrivate(string host, int port) =>
        options.Urls.Any(url => Names(url, host, port)) || options.Realms.Any(realm => Names(realm, host, port))
        || (options.Proxy is { } proxy && Names(proxy, host, port)) || options.Redirects.Any(pattern => Matches(pattern, host, port));

    /// <summary>Whether scheme, host and port are the same, so that the same Authorization header can be sent.</summary>
    public static bool SameOrigin(Uri a, Uri b) => a.Scheme == b.Scheme && SameHostAndPort(a, b);

    private static bool IsHttp(Uri uri) => uri.IsAbsoluteUri && uri.Scheme is "https" or "http";

    private static bool IsDowngrade(Uri from, Uri to) => from.Scheme == Uri.UriSchemeHttps && to.Scheme != Uri.UriSchemeHttps;

    private static bool IsPrivateLiteral(Uri uri) => IPAddress.TryParse(uri.IdnHost, out var address) && PrivateNetworks.Contain(address);

    private static bool SameHostAndPort(Uri a, Uri b) => Names(a, b.IdnHost, b.Port);

    private static bool Names(Uri uri, string host, int port) =>
        uri.Port == port && string.Equals(uri.IdnHost, host, StringComparison.OrdinalIgnoreCase);

    // host, host:port, *.domain or *.domain:port
    private static bool Matches(string pattern, string host, int port)
    {
        var colon = pattern.LastIndexOf(':');
        if (colon > 0 && int.TryParse(pattern.AsSpan(colon + 1), out var only))
        {
            if (only != port) return false;
            pattern = pattern[..colon];
        }
        return pattern.StartsWith("*.", StringComparison.Ordinal)
            ? host.EndsWith(pattern[1..], StringComparison.OrdinalIgnoreCase)
            : string.Equals(pattern, host, StringComparison.OrdinalIgnoreCase);
    }
}
