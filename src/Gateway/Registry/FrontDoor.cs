using System.Diagnostics;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Transport;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// Where every request enters and leaves. The listener decides between the operator port and the registry API. Every request is answered
/// and recorded, whatever fails.
/// </summary>
internal sealed partial class FrontDoor(
    ICurrent<Snapshot> current,
    OperatorPort operatorPort,
    RequestMetrics metrics,
    AccessLog accessLog,
    AuditLog audit,
    WebFace web,
    ConsoleFace console,
    TimeProvider clock,
    ILogger<FrontDoor> logger)
{
    public Task HandleAsync(HttpContext context)
    {
        var listener = context.Features.GetRequiredFeature<Listener>();
        return IsQuick(context.Request) && !listener.IsOperator ? HandleAsync(context, listener) : HandleOnPoolAsync(context, listener);
    }

    /// <summary>
    /// Whether a request is answered at once where its content is at hand: the ping, a manifest or a blob. A request for anything else can
    /// compute for long: a page of the catalog reads directories, and one of the console computes statistics.
    /// </summary>
    public static bool IsQuick(HttpRequest request)
    {
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method)) return false;
        return request.Path.Value is { } path
            && path.StartsWith("/v2/", StringComparison.Ordinal)
            && (path.Length == "/v2/".Length
                || path.Contains("/manifests/", StringComparison.Ordinal)
                || path.Contains("/blobs/", StringComparison.Ordinal));
    }

    // What computes, and waits for the disk, holds no thread that waits for sockets.
    private async Task HandleOnPoolAsync(HttpContext context, Listener listener)
    {
        var threads = context.Features.GetRequiredFeature<IThreadChoice>();
        threads.UsesPool = true;
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            await HandleAsync(context, listener);
        }
        finally
        {
            threads.UsesPool = false;
        }
    }

    private async Task HandleAsync(HttpContext context, Listener listener)
    {
        var connection = context.Connection;
        var proxies = current.Value.Options.TrustedProxies;
        var forwarded = ForwardedHeaders.Read(connection.RemoteIpAddress, context.Request.Headers, proxies);
        // Limits, logs and the audit log read the client's address from here.
        if (forwarded?.Client is { } client) connection.RemoteIpAddress = client;
        try
        {
            await (listener.IsOperator ? operatorPort.AnswerAsync(context) : ServeAsync(context, listener, forwarded));
        }
        finally
        {
            if (RequestBody.HasUnread(context.Request)) context.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }
    }

    private async Task ServeAsync(HttpContext context, Listener listener, Forwarded? forwarded)
    {
        var x = new Exchange(context, current, audit, listener, Describe(context, forwarded), forwarded, clock);
        metrics.Began();
        try
        {
            await RegistryFace.AnswerAsync(x, web, console);
        }
        catch (Exception exception)
        {
            await RecoverAsync(x, exception);
        }
        finally
        {
            var gone = x.Aborted.IsCancellationRequested && !x.Response.HasStarted;
            x.Record.Ended(gone ? Status499ClientClosedRequest : x.Response.StatusCode);
            metrics.Ended(x.Record, x.CanonicalName);
            accessLog.Write(x.Record);
            await audit.WriteAsync(x.Record);
        }
    }

    private RequestRecord Describe(HttpContext context, Forwarded? forwarded)
    {
        var activity = Activity.Current;
        var traced = ActivityContext.TryParse(context.Request.Headers.TraceParent, null, out var parent);
        return new(clock.GetUtcNow(), context.Request.Method)
        {
            RequestId = context.TraceIdentifier,
            TraceId = activity?.TraceId.ToHexString() ?? (traced ? parent.TraceId.ToHexString() : null),
            Remote = context.Connection.RemoteIpAddress?.ToString(),
            UserAgent = context.Request.Headers.UserAgent,
            Tls = forwarded?.Scheme is { } scheme
                ? scheme == Uri.UriSchemeHttps
                : context.Features.Get<ITlsHandshakeFeature>() is not null,
        };
    }

    private async Task RecoverAsync(Exchange x, Exception exception)
    {
        if (IsGone(x, exception))
        {
            x.Abort();
            return;
        }
        if (exception is UnreadableException)
            LogUnreadable(x.Record.RequestId, x.Request.Method, x.Target.Path, exception.Message);
        else if (exception is not (
            BadHttpRequestException or StoreReadOnlyException or DocumentBudgetException or UploadTakenOverException))
            LogFailure(exception, x.Record.RequestId, x.Request.Method, x.Target.Path);
        if (x.Response.HasStarted)
        {
            // A part must not pass for the whole: the client sees a broken connection, and tries again.
            x.Abort();
            return;
        }
        x.Response.Clear();
        await AnswerFailureAsync(x, exception);
    }

    // A writer may learn that the client has gone before the request does.
    private static bool IsGone(Exchange x, Exception exception) =>
        (exception is OperationCanceledException cancelled && cancelled.CancellationToken == x.Aborted)
        || x.Aborted.IsCancellationRequested;

    private static Task AnswerFailureAsync(Exchange x, Exception exception) => exception switch
    {
        // The cause may name files and hosts: it is in the log, not in the response.
        StoreReadOnlyException full => x.UnavailableAsync(full.Message),
        DocumentBudgetException full => x.UnavailableAsync(full.Message),
        BadHttpRequestException { StatusCode: Status413PayloadTooLarge } large =>
            x.FailAsync(RegistryErrorCode.SIZE_INVALID, large.Message, status: Status413PayloadTooLarge),
        // The server's own message names a setting that the gateway does not have.
        BadHttpRequestException { StatusCode: Status408RequestTimeout } slow
            when slow.Message.Contains("DataRate", StringComparison.Ordinal) =>
            x.FailAsync(RegistryErrorCode.UNSUPPORTED, Listening.TooSlow, status: Status408RequestTimeout),
        UploadTakenOverException taken => x.FailAsync(RegistryErrorCode.BLOB_UPLOAD_INVALID, taken.Message),
        BadHttpRequestException bad => x.FailAsync(RegistryErrorCode.UNSUPPORTED, bad.Message, status: bad.StatusCode),
        BucketException store => x.UnavailableAsync($"{store.ForClients}; try again"),
        IOException or UnauthorizedAccessException =>
            x.UnavailableAsync($"reading the content failed; ask the operator about request {x.Record.RequestId}"),
        _ => x.FailAsync(
            RegistryErrorCode.UNAVAILABLE,
            $"internal error; ask the operator about request {x.Record.RequestId}",
            status: Status500InternalServerError),
    };

    [LoggerMessage(1005, LogLevel.Error, "Request {RequestId} failed: {Method} {Path}")]
    private partial void LogFailure(Exception exception, string? requestId, string method, string path);

    // Without a stack trace: a failing volume fails every request.
    [LoggerMessage(1006, LogLevel.Error, "Request {RequestId} answered 503: {Method} {Path}: {Why}")]
    private partial void LogUnreadable(string? requestId, string method, string path, string why);
}
