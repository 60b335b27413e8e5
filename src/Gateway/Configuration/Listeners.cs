using System.Net;

namespace Gateway.Configuration;

/// <summary>Checks where we listen.</summary>
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
                reading.Add($"{path}.http2", "is for http; https speaks HTTP/2 with every client that asks for it");
            if (!reading.IsWritten("access") && !Addresses.IsLoopback(listener.Url)) reading.Add(path, OpenToTheWorld(listener.Url));
            if (options.Listen.Take(i).Any(earlier => Clash(earlier.Url, listener.Url)))
                reading.Add(path, $"port {listener.Url.Port} of this address is taken by an earlier listener");
            if (Clash(listener.Url, options.Operator.Url))
                reading.Add("operator", $"port {options.Operator.Url.Port} is taken by listen; give it a port of its own");
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
            reading.Add("operator.tls.clientAuthorities", "is for listen; this port knows its operator by the token of tokenFile");
        if (options.Operator.TokenFile is null && !Addresses.IsLoopback(url))
        {
            reading.Add("operator", $"without a token everybody who reaches '{url.Host}' administers the gateway; write operator: "
                + $"{{ url: {url.GetLeftPart(UriPartial.Authority)}, tokenFile: /run/secrets/operator-token }}, or listen on 127.0.0.1");
        }
    }

    private static string OpenToTheWorld(Uri url) =>
        $"without an access section everybody who reaches '{url.Host}' may push and delete; write access: {{ rules: … }}, "
        + "or listen on 127.0.0.1 (to let everybody pull: "
        + "access: { rules: [{ actors: [anonymous], repositories: [\"**\"], actions: [pull] }] })";

    /// <summary>Port 0 is any free one.</summary>
    private static bool Clash(Uri one, Uri other) =>
        one.Port == other.Port && one.Port != 0 && (one.Host == other.Host || IsAny(one) || IsAny(other) || BothLoopback(one, other));

    private static bool IsAny(Uri url) =>
        IPAddress.TryParse(url.Host, out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    /// <summary>localhost is 127.0.0.1 and [::1] at once.</summary>
    private static bool BothLoopback(Uri one, Uri other) =>
        Addresses.IsLoopback(one) && Addresses.IsLoopback(other) && (one.Host == "localhost" || other.Host == "localhost");
}
