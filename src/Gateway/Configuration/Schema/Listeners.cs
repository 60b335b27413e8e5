using System.Net;

namespace Gateway.Configuration;

/// <summary>Checks the addresses of listeners.</summary>
internal static class Listeners
{
    public static void Check(GatewayOptions options, Reading reading)
    {
        if (options.Listen.IsEmpty) reading.Add("listen", "expected at least one address, got an empty list");
        for (var i = 0; i < options.Listen.Length; i++)
        {
            var listener = options.Listen[i];
            var path = reading.IsWritten($"listen[{i}]") ? $"listen[{i}]" : "listen";
            if (listener.Url.Scheme == Uri.UriSchemeHttps && (listener.Tls ?? options.Tls) is null)
                reading.Add(path, "https needs tls: { certificate: …, key: … }");
            if (listener.Url.Scheme == Uri.UriSchemeHttp && listener.Tls is not null)
                reading.Add($"{path}.tls", "is for https; write https:// in the url");
            if (listener.Url.Scheme == Uri.UriSchemeHttps && listener.Http2)
                reading.Add($"{path}.http2", "is for http, because https always offers HTTP/2; remove it");
            if (!reading.IsWritten("access") && !Addresses.IsLoopback(listener.Url)) reading.Add(path, OpenToTheWorld(listener.Url));
            if (options.Listen.Take(i).Any(earlier => Clash(earlier.Url, listener.Url)))
                reading.Add(path, $"port {listener.Url.Port} of this address is used by an earlier listener; use another port");
            if (Clash(listener.Url, options.Operator.Url))
                reading.Add("operator", $"port {options.Operator.Url.Port} is used by listen; use another port");
        }
        CheckOperator(options, reading);
    }

    private static void CheckOperator(GatewayOptions options, Reading reading)
    {
        var (url, tls) = (options.Operator.Url, options.Operator.Tls);
        if (url.Scheme == Uri.UriSchemeHttps && (tls ?? options.Tls) is null)
            reading.Add("operator", "https needs tls: { certificate: …, key: … }");
        if (url.Scheme == Uri.UriSchemeHttp && tls is not null) reading.Add("operator.tls", "is for https; write https:// in the url");
        if (tls?.ClientAuthorities is not null)
            reading.Add("operator.tls.clientAuthorities", "is for listen; the operator port uses the token of tokenFile: remove it");
        if (options.Operator.TokenFile is null && !Addresses.IsLoopback(url))
        {
            reading.Add("operator", $"without a token everyone who can reach '{url.Host}' administers the gateway; write operator: "
                + $"{{ url: {url.GetLeftPart(UriPartial.Authority)}, tokenFile: /run/secrets/operator-token }}, or listen on 127.0.0.1");
        }
    }

    private static string OpenToTheWorld(Uri url) =>
        $"without an access section everyone who can reach '{url.Host}' can push and delete; write access: {{ rules: … }}, "
        + "or listen on 127.0.0.1 (to allow pulls by everyone: "
        + "access: { rules: [{ actors: [anonymous], repositories: [\"**\"], actions: [pull] }] })";

    /// <summary>Port 0 means any free port.</summary>
    private static bool Clash(Uri one, Uri other) =>
        one.Port == other.Port && one.Port != 0 && (one.Host == other.Host || IsAny(one) || IsAny(other) || BothLoopback(one, other));

    private static bool IsAny(Uri url) =>
        IPAddress.TryParse(url.Host, out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    /// <summary>localhost means both 127.0.0.1 and [::1].</summary>
    private static bool BothLoopback(Uri one, Uri other) =>
        Addresses.IsLoopback(one) && Addresses.IsLoopback(other) && (one.Host == "localhost" || other.Host == "localhost");
}
