using System.Net;
using System.Text;
using Gateway.Configuration;
using Gateway.Transport;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Net.Http.Headers;
using KestrelListenOptions = Microsoft.AspNetCore.Server.Kestrel.Core.ListenOptions;

namespace Gateway.Registry;

/// <summary>How the server listens, and its limits before a request reaches the gateway.</summary>
internal static class Listening
{
    // RFC 9113 §6.5.2 asks for no fewer; Kestrel's own default, written down because much rests on it (CVE-2023-44487).
    private const int MaxStreams = 100;

    // containerd and Go clients keep idle connections for 90 s; closing earlier would race with their next request.
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(120);

    // Chosen: a full head of 32 KiB in that time is 2 KiB/s, which any line has; Kestrel gives 30 s.
    private static readonly TimeSpan HeadersTimeout = TimeSpan.FromSeconds(15);

    // A step of 64 KiB (PipeBodyWriter) at the server's usual rate. It is the grace too, because the server counts none of the bytes that
    // are written straight into its memory: its usual grace of 5 s was all the time for the megabyte that a socket takes at once.
    private static readonly MinDataRate ResponseRate = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromMinutes(5));

    // Manifests and forms are at hand before they are sent, and are held in memory meanwhile; a busy machine may still pause, for longer
    // than Kestrel's 5 s. Bodies of uploads have a limit of their own (RequestBody.OfUpload).
    private static readonly MinDataRate RequestRate = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(30));

    /// <summary>The message for a body that was received more slowly than the server allows.</summary>
    public static readonly string TooSlow = $"expected at least {RequestRate.BytesPerSecond} bytes a second after the first "
        + $"{RequestRate.GracePeriod.TotalSeconds} seconds, got fewer; send the request again";

    private static readonly DigitsOnly LengthEncoding = new();

    /// <summary>
    /// Limits that hold on every listener. Kestrel's own hold where none is set: 32 KiB of headers, at most 100; an HTTP/2 connection that
    /// resets streams without end is ended.
    /// </summary>
    public static void Limit(KestrelServerOptions options)
    {
        options.AddServerHeader = false;
        options.AllowSynchronousIO = false;
        // Each handler bounds what it reads: a manifest and a form by their size, a blob by the volume. A limit here would break the
        // connection of a client that is refused while it still sends, before it could read why; the server drains such a body for 5 s.
        options.Limits.MaxRequestBodySize = null;
        options.Limits.KeepAliveTimeout = KeepAlive;
        options.Limits.MinRequestBodyDataRate = RequestRate;
        options.Limits.MinResponseDataRate = ResponseRate;
        options.Limits.Http2.MaxStreamsPerConnection = MaxStreams;
        options.Limits.RequestHeadersTimeout = HeadersTimeout;
        // What an upstream's web application sends beyond ASCII goes through as it is; the gateway itself sends ASCII alone.
        options.ResponseHeaderEncodingSelector = static _ => Encoding.Latin1;
        options.RequestHeaderEncodingSelector = static name => name == HeaderNames.ContentLength ? LengthEncoding : null;
    }

    /// <summary>
    /// Refuses lines that end in a bare line feed, which proxies in front may read as part of a value (RFC 9112 §2.2 lets a server choose).
    /// Kestrel has no setting for it, only this switch of the process, read when the server is built.
    /// </summary>
    public static void RefuseBareLineFeeds() =>
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);

    /// <summary>
    /// Adds a listener. Cleartext speaks HTTP/1.1, or HTTP/2 alone where that is asked for (cleartext negotiates no version); TLS both.
    /// </summary>
    /// <param name="certificate">For https, what is shown to each new connection; null for http.</param>
    public static void Listen(
        KestrelServerOptions server, Uri url, Listener listener, CertificateFiles? certificate, ConnectionLimits limits)
    {
        if (IPAddress.TryParse(url.Host.Trim('[', ']'), out var address)) server.Listen(address, url.Port, Configure);
        else server.ListenLocalhost(url.Port, Configure);

        void Configure(KestrelListenOptions options)
        {
            options.Use(next => connection => limits.ServeAsync(connection, listener, next));
            options.Use(next => connection =>
            {
                connection.Features.Set(listener);
                // Files leave as they are only in cleartext, and without the frames of HTTP/2.
                if (options.Protocols == HttpProtocols.Http1) connection.Features.Set<IFileOutput>(connection.Features.Get<SocketOutput>());
                return next(connection);
            });
            options.Protocols = certificate is not null ? HttpProtocols.Http1AndHttp2
                : listener.Options is { Http2: true } ? HttpProtocols.Http2
                : HttpProtocols.Http1;
            if (certificate is not null)
            {
                options.UseHttps(new TlsHandshakeCallbackOptions
                {
                    OnConnection = handshake => ValueTask.FromResult(certificate.Handshake(handshake.Connection.Features.Set)),
                });
            }
            if (!listener.IsOperator) options.Use(next => connection => UnreadableRequests.ServeAsync(connection, next));
        }
    }

    /// <summary>
    /// Reads the bytes of a Content-Length: digits alone (RFC 9110 §8.6), so that <c>+4</c> and <c>-0</c> are 400 like any other text.
    /// Kestrel reads them as numbers and keeps no trace of the sign; how bytes become characters is what it lets us choose before.
    /// </summary>
    private sealed class DigitsOnly : ASCIIEncoding
    {
        public override int GetChars(ReadOnlySpan<byte> bytes, Span<char> chars) =>
            base.GetChars(bytes.ContainsAnyExceptInRange((byte)'0', (byte)'9') ? "no digits"u8 : bytes, chars);
    }
}
