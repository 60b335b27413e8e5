using System.Globalization;
using System.Net;

namespace Gateway.Configuration;

/// <summary>Setting types for URLs and host names.</summary>
internal static class Addresses
{
    /// <summary>An upstream's endpoint: scheme, host and port.</summary>
    public static readonly Scalar<Uri> Endpoint = new(
        "a URL such as https://registry.example.com:5000, without path",
        (text, _) => ParseUrl(text, Uri.UriSchemeHttp, Uri.UriSchemeHttps));

    /// <summary>A proxy. Proxies that require credentials are not supported, so a URL never contains any.</summary>
    public static readonly Scalar<Uri> Proxy = new("a URL such as http://proxy.example.com:3128", (text, _) =>
        ParseUrl(text, Uri.UriSchemeHttp));

    /// <summary>A token server; a bare host means https.</summary>
    public static readonly Scalar<Uri> Realm = new(
        "a host or URL such as https://auth.example.com",
        (text, _) => ParseUrl(HasScheme(text) ? text : $"https://{text}", Uri.UriSchemeHttp, Uri.UriSchemeHttps));

    /// <summary>
    /// An issuer of identity tokens (OpenID Connect Discovery, §2): https, except on this machine; with a path, without a query.
    /// </summary>
    public static readonly Scalar<string> Issuer = new(
        "a URL such as https://token.actions.githubusercontent.com",
        (text, _) => Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Query.Length + url.Fragment.Length + url.UserInfo.Length == 0
            && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && IsLoopback(url)))
                ? text
                : Parsed<string>.Not("write https://, and no query"));

    /// <summary>Address of a listener. Names other than localhost are refused, because DNS would decide the address.</summary>
    public static readonly Scalar<Uri> Listener = new(
        "a URL with an IP address or localhost, such as http://127.0.0.1:5000",
        (text, _) => ParseListener(text, Uri.UriSchemeHttp, Uri.UriSchemeHttps));

    /// <summary>A network in CIDR notation (RFC 4632 §3.1), or one address.</summary>
    public static readonly Scalar<IPNetwork> Network = new(
        "a network such as 10.0.0.0/8, or an address", (text, _) => ParseNetwork(text));

    /// <summary>A value of <c>?ns=</c>.</summary>
    public static readonly Scalar<string> Namespace = Scalars.Matching(
        "a host or host:port in lower case such as ghcr.io", text => IsHostAndPort(text));

    public static readonly Scalar<string> Host = Scalars.Matching("a host name in lower case, without port", text => IsHost(text));

    public static readonly Scalar<string> HostPattern = Scalars.Matching(
        "a host name in lower case, or *. and a host name for all below it",
        text => IsHost(text.StartsWith("*.", StringComparison.Ordinal) ? text[2..] : text));

    /// <summary>Whether only this machine can reach the listener.</summary>
    public static bool IsLoopback(Uri listener) =>
        listener.Host == "localhost" || (IPAddress.TryParse(listener.Host, out var address) && IPAddress.IsLoopback(address));

    private static Parsed<IPNetwork> ParseNetwork(string text)
    {
        if (text.AsSpan().ContainsAny('.', ':') && IPAddress.TryParse(text, out var address))
            return new IPNetwork(address, address.GetAddressBytes().Length * 8);
        if (!IPNetwork.TryParse(text, out var network))
            return Parsed<IPNetwork>.Not("the bits of the address beyond the prefix length must be zero");
        return network.PrefixLength > 0
            ? network
            : Parsed<IPNetwork>.Not("this would trust every client; write the proxies' own network");
    }

    private static bool HasScheme(string text) => text.Contains("://", StringComparison.Ordinal);

    private static Parsed<Uri> ParseListener(string text, params string[] schemes)
    {
        if (text.Contains("://*", StringComparison.Ordinal) || text.Contains("://+", StringComparison.Ordinal))
            return Parsed<Uri>.Not("for every interface write 0.0.0.0, or [::] for IPv6 as well");
        var parsed = ParseUrl(text, schemes);
        if (parsed.Value is not { } url) return parsed;
        return url.Host == "localhost" || IPAddress.TryParse(url.Host, out _) ? parsed : Parsed<Uri>.Not("write an address, not a name");
    }

    private static Parsed<Uri> ParseUrl(string text, params string[] schemes)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || !schemes.Contains(url.Scheme))
            return Parsed<Uri>.Not($"write {string.Join(" or ", schemes)}://");
        if (url.UserInfo.Length > 0) return Parsed<Uri>.Not("remove the credentials from the URL");
        if (url.AbsolutePath != "/") return Parsed<Uri>.Not("remove the path; for an upstream, clients write it behind its prefix");
        return url.PathAndQuery == "/" && url.Fragment.Length == 0 && url.Host.Length > 0 ? url : Parsed<Uri>.Not();
    }

    private static bool IsHostAndPort(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0 || text.EndsWith(']')) return IsHost(text);
        return IsHost(text[..colon]) && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, null, out var port) && port > 0;
    }

    private static bool IsHost(string text) =>
        text.Length is > 0 and <= 253 && !text.Any(char.IsAsciiLetterUpper) && Uri.CheckHostName(text) != UriHostNameType.Unknown;
}
