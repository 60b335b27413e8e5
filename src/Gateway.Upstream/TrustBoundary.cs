using System.Net;
using System.Net.Sockets;

namespace Gateway.Upstream;

/// <summary>What may be shown to a token server.</summary>
internal enum RealmTrust
{
    /// <summary>Not even asked.</summary>
    Refused,

    /// <summary>Asked, and shown nothing.</summary>
    Anonymous,

    /// <summary>May see the credentials.</summary>
    Credentials,
}

/// <summary>
/// Who may be dialled for an upstream and who may see its credentials: what the operator wrote, and else only public addresses,
/// without credentials. An upstream's own words (realm, Location) widen nothing (CVE-2026-33540, CVE-2020-15157).
/// </summary>
internal sealed class TrustBoundary(RegistryOptions options)
{
    /// <summary>Judges the realm of a challenge that <paramref name="endpoint"/> made.</summary>
    public RealmTrust Judge(Uri endpoint, Uri realm)
    {
        if (!IsHttp(realm) || realm.UserInfo.Length > 0 || IsDowngrade(endpoint, realm)) return RealmTrust.Refused;
        if (SameHostAndPort(endpoint, realm) || options.Realms.Any(listed => SameOrigin(listed, realm))) return RealmTrust.Credentials;
        return realm.Scheme == Uri.UriSchemeHttps && !IsPrivateLiteral(realm) ? RealmTrust.Anonymous : RealmTrust.Refused;
    }

    /// <summary>Why a redirect is not followed; null when it is.</summary>
    public string? RefusalOf(Uri from, Uri to)
    {
        if (!IsHttp(to)) return "to something that is not http";
        if (to.UserInfo.Length > 0) return "to an address with a user name in it";
        if (IsDowngrade(from, to)) return "from https to http";
        return IsPrivateLiteral(to) && !MayBePrivate(to.IdnHost, to.Port)
            ? "to a private address; name the host under the upstream's `redirects` if it may serve blobs"
            : null;
    }

    /// <summary>Whether this host may have a private, loopback or link-local address: it is one that the operator wrote.</summary>
    public bool MayBePrivate(string host, int port) =>
        options.Urls.Any(url => Names(url, host, port)) || options.Realms.Any(realm => Names(realm, host, port))
        || (options.Proxy is { } proxy && Names(proxy, host, port)) || options.Redirects.Any(pattern => Matches(pattern, host, port));

    /// <summary>Same scheme, host and port: where an Authorization header may go on.</summary>
    public static bool SameOrigin(Uri a, Uri b) => a.Scheme == b.Scheme && SameHostAndPort(a, b);

    /// <summary>
    /// Whether an address is none of the public Internet's: the special-purpose registries of IANA (RFC 6890), among them the metadata
    /// services of clouds (169.254.169.254, fd00:ec2::254), and IPv6 forms that wrap an IPv4 address.
    /// </summary>
    public static bool IsPrivate(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        Span<byte> b = stackalloc byte[16];
        address.TryWriteBytes(b, out _);
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            return b[0] is 0 or 10 or 127 or >= 224
                || (b[0], b[1]) is (169, 254) or (192, 168) or (100, >= 64 and < 128) or (172, >= 16 and < 32) or (198, 18 or 19)
                || (b[0], b[1], b[2]) is (192, 0, 0);
        }
        // Global unicast is 2000::/3 (RFC 4291); of it 6to4 (2002::/16) and Teredo (2001:0::/32) wrap other addresses.
        return (b[0] & 0xE0) != 0x20 || (b[0], b[1]) is (0x20, 0x02) || (b[0], b[1], b[2], b[3]) is (0x20, 0x01, 0, 0);
    }

    private static bool IsHttp(Uri uri) => uri.IsAbsoluteUri && uri.Scheme is "https" or "http";

    private static bool IsDowngrade(Uri from, Uri to) => from.Scheme == Uri.UriSchemeHttps && to.Scheme != Uri.UriSchemeHttps;

    private static bool IsPrivateLiteral(Uri uri) => IPAddress.TryParse(uri.IdnHost, out var address) && IsPrivate(address);

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
