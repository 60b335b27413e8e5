using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Gateway.Operations;
using Yarp.ReverseProxy.Forwarder;

namespace Gateway.Web;

/// <summary>What one forwarded request needs besides the request itself.</summary>
/// <param name="RawTarget">The checked target, which goes to the upstream byte for byte.</param>
/// <param name="BaseUrl">The address by which the client reaches this gateway, without a slash at its end.</param>
/// <param name="Client">The client's address; null where it is unknown.</param>
/// <param name="PassesAuthorization">Whether <c>Authorization</c> is for the upstream; otherwise the gateway has used it.</param>
/// <param name="Idle">How long neither side may send anything.</param>
/// <param name="MaxBody">Most bytes of the request's body.</param>
internal sealed record WebRequest(
    string RawTarget, string BaseUrl, IPAddress? Client, bool PassesAuthorization, TimeSpan Idle, long MaxBody);

/// <summary>Makes the request that one endpoint receives, and the answer that the client receives.</summary>
internal sealed class WebTransformer(WebSite site, Uri endpoint, WebRequest request, RequestRecord record) : HttpTransformer
{
    // RFC 9110 §7.6.3: an intermediary names the protocol that it received, and itself.
    private const string Via = "1.1 gateway";

    // RFC 6455 §1.3.
    private const string HandshakeGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    // The target was checked in every reading. Uri would decode and compress it, and so change it.
    private static readonly UriCreationOptions Exactly = new() { DangerousDisablePathAndQueryCanonicalization = true };

    private readonly Uri _public = new(request.BaseUrl);

    public override async ValueTask TransformRequestAsync(
        HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        proxyRequest.RequestUri = new Uri(destinationPrefix + request.RawTarget, Exactly);
        var headers = proxyRequest.Headers;
        headers.Host = site.KeepsHost ? _public.Authority : endpoint.Authority;
        if (!request.PassesAuthorization) headers.Remove("Authorization");
        if (!site.KeepsHost)
        {
            Replace(headers, "Origin");
            Replace(headers, "Referer");
        }
        // Both kinds state the same (docs/design/0015-hostile-requests.md), and nothing that the client sent.
        var client = request.Client is { IsIPv4MappedToIPv6: true } mapped ? mapped.MapToIPv4() : request.Client;
        if (client is not null) headers.TryAddWithoutValidation("X-Forwarded-For", client.ToString());
        headers.TryAddWithoutValidation("X-Forwarded-Proto", _public.Scheme);
        headers.TryAddWithoutValidation("X-Forwarded-Host", _public.Authority);
        headers.TryAddWithoutValidation(
            "Forwarded", $"for={NodeOf(client)};proto={_public.Scheme};host=\"{_public.Authority}\"");
        headers.TryAddWithoutValidation("Via", Via);
    }

    public override async ValueTask<bool> TransformResponseAsync(
        HttpContext httpContext, HttpResponseMessage? proxyResponse, CancellationToken cancellationToken)
    {
        if (proxyResponse is null) return await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        var status = (int)proxyResponse.StatusCode;
        record.UpstreamStatus = status;
        // RFC 9110 §15: other numbers are invalid, and clients read them in different ways.
        if (status is not (101 or (>= 200 and < 600))) throw new InvalidDataException($"expected a status from 200 to 599, got {status}");
        if (status == StatusCodes.Status101SwitchingProtocols) CheckAccept(proxyResponse);
        record.Began();
        var copies = await base.TransformResponseAsync(httpContext, proxyResponse, cancellationToken);
        WebHeaders.Rewrite(
            httpContext.Response.Headers, request.BaseUrl, [.. site.Upstream.Urls.Select(url => url.Authority), _public.Authority]);
        if (status is not (StatusCodes.Status204NoContent or StatusCodes.Status205ResetContent)) return copies;
        // Neither has a body (RFC 9110 §15.3.5 and §15.3.6), whatever the upstream sends with it.
        httpContext.Response.Headers.ContentLength = null;
        return false;
    }

    /// <summary>
    /// RFC 6455 §4.1: the server proves by <c>Sec-WebSocket-Accept</c> that it has read this handshake. Without that, a server or a cache
    /// that only repeats bytes could be used as a tunnel.
    /// </summary>
    [SuppressMessage("Security", "CA5350", Justification = "RFC 6455 prescribes SHA-1 here; it protects no secret.")]
    private static void CheckAccept(HttpResponseMessage response)
    {
        // The key that was sent: YARP makes one of its own for a client of HTTP/2.
        var key = response.RequestMessage is { } sent && sent.Headers.NonValidated.TryGetValues("Sec-WebSocket-Key", out var keys)
            ? keys.ToString()
            : "";
        var accept = response.Headers.NonValidated.TryGetValues("Sec-WebSocket-Accept", out var accepts) ? accepts.ToString() : "";
        var expected = Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + HandshakeGuid)));
        if (accept != expected)
            throw new InvalidDataException(
                $"expected Sec-WebSocket-Accept {expected}, got {(accept.Length == 0 ? "none" : "another value")}");
    }

    // The page's own address, as the upstream knows it. The address of another site is not changed.
    private void Replace(System.Net.Http.Headers.HttpRequestHeaders headers, string name)
    {
        if (!headers.NonValidated.TryGetValues(name, out var values)) return;
        var value = values.ToString();
        if (!value.StartsWith(request.BaseUrl, StringComparison.OrdinalIgnoreCase)) return;
        var rest = value[request.BaseUrl.Length..];
        if (rest.Length > 0 && rest[0] is not ('/' or '?')) return;
        headers.Remove(name);
        headers.TryAddWithoutValidation(name, endpoint.GetLeftPart(UriPartial.Authority) + rest);
    }

    // RFC 7239 §6: IPv6 in brackets and quotes.
    private static string NodeOf(IPAddress? address) => address is null ? "unknown"
        : address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"\"[{address}]\""
        : address.ToString();
}
