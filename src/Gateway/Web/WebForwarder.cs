using System.Net;
using Gateway.Operations;
using Microsoft.AspNetCore.Http.Features;
using Yarp.ReverseProxy.Forwarder;

namespace Gateway.Web;

/// <summary>The result of forwarding a request.</summary>
internal enum WebOutcome
{
    /// <summary>The client has the upstream's answer, or a part of it and a broken connection.</summary>
    Answered,

    /// <summary>No endpoint could be connected to.</summary>
    Unreachable,

    /// <summary>An endpoint was connected to and gave no answer that can be passed on.</summary>
    Broken,

    /// <summary>Nothing was sent for <c>limits.webIdle</c>.</summary>
    TimedOut,

    /// <summary>The client's body is larger than <c>limits.webBody</c>.</summary>
    TooLarge,

    /// <summary>The client's body could not be read.</summary>
    BadBody,

    /// <summary>The client has disconnected.</summary>
    Gone,
}

/// <summary>Sends a checked request to the first endpoint of its upstream that can be connected to, through YARP's forwarder.</summary>
internal sealed partial class WebForwarder(IHttpForwarder forwarder, ILogger<WebForwarder> logger)
{
    /// <summary>Forwards a request whose target, access and limits have been checked. Answers it if the outcome is Answered.</summary>
    public async Task<WebOutcome> ForwardAsync(HttpContext context, WebSite site, WebRequest request, RequestRecord record)
    {
        var config = new ForwarderRequestConfig
        {
            ActivityTimeout = request.Idle,
            // HTTP/1.1 alone: what the upstream reads is what was checked, without pseudo-headers.
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = request.MaxBody;
        var (input, output) = (context.Request.Body, context.Features.GetRequiredFeature<IHttpResponseBodyFeature>());
        context.Request.Body = new CountedStream(input, bytes => record.BytesRead += bytes);
        context.Response.Body = new CountedStream(output.Stream, bytes => record.BytesSent += bytes);
        try
        {
            return await TryAllAsync(context, site, request, config, record);
        }
        finally
        {
            context.Request.Body = input;
            context.Features.Set(output);
        }
    }

    private async Task<WebOutcome> TryAllAsync(
        HttpContext context, WebSite site, WebRequest request, ForwarderRequestConfig config, RequestRecord record)
    {
        foreach (var endpoint in site.Upstream.Endpoints())
        {
            var transformer = new WebTransformer(site, endpoint, request, record);
            var isNoted = false;
            try
            {
                var error = await forwarder.SendAsync(
                    context, endpoint.GetLeftPart(UriPartial.Authority), site.Upstream.Client, config, transformer, context.RequestAborted);
                var exception = context.Features.Get<IForwarderErrorFeature>()?.Exception;
                if (error is ForwarderError.Request && IsUnconnected(exception))
                {
                    isNoted = true;
                    site.Upstream.Failed(endpoint, "no connection could be made");
                    LogUnconnected(site.Upstream.Key, endpoint.Authority, exception!.Message);
                    Reset(context);
                    continue;
                }
                if (record.UpstreamStatus is not null)
                {
                    isNoted = true;
                    site.Upstream.Answered(endpoint);
                }
                return OutcomeOf(context, error, exception, site.Upstream.Key, endpoint);
            }
            finally
            {
                if (!isNoted) site.Upstream.Abandoned(endpoint);
            }
        }
        return WebOutcome.Unreachable;
    }

    // Nothing of the request was sent then: it may go elsewhere, whatever its method.
    private static bool IsUnconnected(Exception? exception) => exception is HttpRequestException
    {
        HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError
            or HttpRequestError.ProxyTunnelError,
    };

    private static void Reset(HttpContext context)
    {
        context.Response.Clear();
        context.Features.Set<IForwarderErrorFeature>(null);
    }

    private WebOutcome OutcomeOf(HttpContext context, ForwarderError error, Exception? exception, string upstream, Uri endpoint)
    {
        if (error == ForwarderError.None) return WebOutcome.Answered;
        if (context.RequestAborted.IsCancellationRequested && !context.Response.HasStarted) return WebOutcome.Gone;
        if (context.Response.HasStarted) return WebOutcome.Answered;
        if (BadRequestOf(exception) is { } bad)
            return bad.StatusCode == StatusCodes.Status413PayloadTooLarge ? WebOutcome.TooLarge : WebOutcome.BadBody;
        LogFailed(upstream, endpoint.Authority, error, exception?.Message ?? "");
        return error is ForwarderError.RequestTimedOut || context.Response.StatusCode == StatusCodes.Status504GatewayTimeout
            ? WebOutcome.TimedOut
            : error is ForwarderError.RequestBodyClient ? WebOutcome.BadBody : WebOutcome.Broken;
    }

    private static BadHttpRequestException? BadRequestOf(Exception? exception) => exception switch
    {
        null => null,
        BadHttpRequestException bad => bad,
        AggregateException many => many.InnerExceptions.Select(BadRequestOf).FirstOrDefault(found => found is not null),
        _ => BadRequestOf(exception.InnerException),
    };

    [LoggerMessage(3200, LogLevel.Information, "Upstream {Upstream}: no connection to {Endpoint} for a web request: {Reason}")]
    private partial void LogUnconnected(string upstream, string endpoint, string reason);

    [LoggerMessage(3201, LogLevel.Warning, "Upstream {Upstream}: web request to {Endpoint} failed ({Error}): {Reason}")]
    private partial void LogFailed(string upstream, string endpoint, ForwarderError error, string reason);
}
