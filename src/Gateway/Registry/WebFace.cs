using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Web;
using Microsoft.AspNetCore.Http.Features;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// The way of a request to an upstream's web application, on a host with <c>web: forward</c>: target, method, access, limits, then the
/// forwarder. The application answers for its own logins and forms; the gateway answers what it refuses in plain text.
/// </summary>
internal sealed class WebFace(WebForwarder forwarder, WebTurns turns)
{
    // A path in the access log. Chosen: longer than the path of any page that people wrote by hand.
    private const int MaxLoggedPath = 256;

    // RFC 9110 §9.3 without CONNECT, which asks for a tunnel, and TRACE, which shows a client's headers to a page's script; and RFC 5789.
    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

    /// <summary>The site that a request is for; null where the gateway itself answers.</summary>
    public static WebSite? SiteOf(Exchange x) =>
        x.Snapshot.Web.Find(x.Host) is { } site && !WebTarget.IsOfGateway(RawTargetOf(x)) ? site : null;

    /// <summary>Forwards a request, or refuses it.</summary>
    public async Task AnswerAsync(Exchange x, WebSite site)
    {
        x.Target = new(Route.Web);
        (x.Record.Route, x.Record.Upstream) = (Route.Web.Label(), site.Key);
        var rawTarget = RawTargetOf(x);
        if (WebTarget.ProblemOf(rawTarget) is { } problem)
        {
            await FailAsync(x, Status400BadRequest, $"This address cannot be forwarded: {problem}.");
            return;
        }
        var path = WebTarget.PathOf(rawTarget);
        x.Record.Reference = path[..Math.Min(path.Length, MaxLoggedPath)];
        if (await RefuseCallerAsync(x) || await RefuseMethodAsync(x)) return;
        if (await PassesAuthorizationAsync(x, site) is not { } passesAuthorization) return;
        if (await RefuseBodyAsync(x)) return;

        using var turn = turns.Enter(x.RemoteAddress, x.Snapshot.Options.Limits.WebRequests);
        if (turn is null)
        {
            x.Response.Headers.RetryAfter = "1";
            await FailAsync(
                x, Status503ServiceUnavailable,
                "Too many requests are open (limits.webRequests). Close pages that are not needed, then reload this page.");
            return;
        }
        var limits = x.Snapshot.Options.Limits;
        WebHeaders.Reduce(x.Request.Headers, IsWebSocket(x));
        var request = new WebRequest(rawTarget, x.BaseUrl, x.RemoteAddress, passesAuthorization, limits.WebIdle, limits.WebBody);
        await AnswerAsync(x, site, await forwarder.ForwardAsync(x.Request.HttpContext, site, request, x.Record));
    }

    private static Task AnswerAsync(Exchange x, WebSite site, WebOutcome outcome)
    {
        if (outcome == WebOutcome.Answered) return Task.CompletedTask;
        if (outcome == WebOutcome.Gone) throw new OperationCanceledException("the client has gone", x.Aborted);
        x.Response.Clear();
        var limits = x.Snapshot.Options.Limits;
        return outcome switch
        {
            WebOutcome.TooLarge => FailAsync(x, Status413PayloadTooLarge, TooLarge(limits)),
            WebOutcome.BadBody => FailAsync(x, Status400BadRequest, "The request's body could not be read. Send the request again."),
            WebOutcome.TimedOut => FailAsync(
                x, Status504GatewayTimeout,
                $"Upstream {site.Key} sent nothing for {limits.WebIdle.TotalSeconds} seconds (limits.webIdle). Try again later; "
                + $"tell the operator about request {x.Record.RequestId} if it happens again."),
            WebOutcome.Unreachable => FailAsync(
                x, Status502BadGateway,
                $"Upstream {site.Key} cannot be reached. Try again later. Operator: check that the addresses under "
                + $"upstreams.{site.Key} answer; the gateway's log has the reason for request {x.Record.RequestId}."),
            _ => FailAsync(
                x, Status502BadGateway,
                $"Upstream {site.Key} closed the connection before it answered. Try again later. Operator: the gateway's log has "
                + $"the reason for request {x.Record.RequestId}."),
        };
    }

    private static async Task<bool> RefuseCallerAsync(Exchange x)
    {
        if (x.IsForwardingContradictory)
        {
            await FailAsync(
                x, Status400BadRequest,
                "Expected Forwarded, with its quotes closed, and X-Forwarded-* to say the same, got otherwise. Let the proxy remove what "
                + "it does not set itself.");
            return true;
        }
        if (!Uri.TryCreate(x.BaseUrl, UriKind.Absolute, out _))
        {
            await FailAsync(x, Status400BadRequest, "Expected a host with a port from 1 to 65535 in the Host header, got another one.");
            return true;
        }
        if (x.Listener.Serves(x.Host)) return false;
        await FailAsync(x, Status421MisdirectedRequest, "This host is not served at this address. Add it to listen.hosts.");
        return true;
    }

    private static async Task<bool> RefuseMethodAsync(Exchange x)
    {
        var isConnect =
            x.Request.HttpContext.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true, Protocol: "websocket" };
        if (!Methods.Contains(x.Request.Method) && !isConnect)
        {
            x.Response.Headers.Allow = string.Join(", ", Methods);
            await FailAsync(
                x, Status405MethodNotAllowed,
                $"Method {Printable.Line(x.Request.Method, 20)} is not forwarded; use one of {string.Join(", ", Methods)}.");
            return true;
        }
        if (!x.Listener.PullOnly || (x.Request.Method is "GET" or "HEAD" && !IsWebSocket(x))) return false;
        await FailAsync(x, Status403Forbidden, "This address of the gateway accepts pulls only. Use another address of the gateway.");
        return true;
    }

    /// <summary>
    /// Asks the rules of <c>access</c>. Null when the request was refused, and answered; otherwise whether its <c>Authorization</c> header
    /// is for the upstream, which it is wherever the gateway does not need it.
    /// </summary>
    private static async Task<bool?> PassesAuthorizationAsync(Exchange x, WebSite site)
    {
        var access = x.Snapshot.Access;
        x.Record.Actor = Caller.Anonymous;
        if (access.MayUseWeb(Identity.Anonymous.Instance, site.Prefix)) return true;
        var certificate = x.Request.HttpContext.Features.Get<ClientCertificate>();
        var byCertificate = await access.IdentifyAsync(null, x.RemoteAddress, certificate, x.Aborted);
        if (byCertificate is Identity.Known shown && access.MayUseWeb(shown, site.Prefix))
        {
            (x.Record.Actor, x.Record.Login) = (shown.Actor, "certificate");
            return true;
        }
        if (x.Snapshot.PassesCredentialsOn)
        {
            await FailAsync(x, Status403Forbidden, "This gateway has no accounts, and none of its rules allows these pages. Operator: "
                + "add a rule under access.rules with actors: [anonymous] and actions: [web].");
            return null;
        }
        var identity = await access.IdentifyAsync(x.Request.Headers.Authorization, x.RemoteAddress, certificate, x.Aborted);
        (x.Identity, x.Record.Actor) = (identity, (identity as Identity.Known)?.Actor ?? (identity as Identity.Wrong)?.Account);
        x.Record.Login = RegistryFace.LoginOf(x);
        if (identity is Identity.Known known && access.MayUseWeb(known, site.Prefix)) return false;
        if (identity is Identity.Undecided undecided)
        {
            await FailAsync(x, Status503ServiceUnavailable, undecided.Why);
            return null;
        }
        if (identity is Identity.Known refused)
        {
            await FailAsync(
                x, Status403Forbidden,
                $"{refused.Actor} is not allowed to use these pages. Operator: add the action web to a rule of access.rules that covers "
                + "every repository of this route.");
            return null;
        }
        x.Response.Headers.WWWAuthenticate = $"Basic realm=\"{x.Authority}\", charset=\"UTF-8\"";
        await FailAsync(
            x, Status401Unauthorized,
            identity is Identity.Wrong wrong ? wrong.Reason : "Log in with your account at this gateway to use these pages.");
        return null;
    }

    private static async Task<bool> RefuseBodyAsync(Exchange x)
    {
        var limits = x.Snapshot.Options.Limits;
        if (!(x.Request.ContentLength > limits.WebBody)) return false;
        await FailAsync(x, Status413PayloadTooLarge, TooLarge(limits));
        return true;
    }

    private static string TooLarge(ClientLimits limits) =>
        $"Expected a request body of at most {limits.WebBody} bytes (limits.webBody), got a larger one. Send less, or ask the operator to "
        + "raise the limit.";

    // A handshake that RFC 6455 §4.1 describes, or that of RFC 8441 over HTTP/2. Any other request to upgrade is answered without one.
    private static bool IsWebSocket(Exchange x) =>
        x.Request.HttpContext.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true }
        || (x.Request.Method == HttpMethods.Get && x.Request.Headers.Upgrade.ToString() is { } upgrade
            && upgrade.Equals("websocket", StringComparison.OrdinalIgnoreCase)
            && x.Request.Headers.SecWebSocketVersion == "13" && x.Request.Headers.SecWebSocketKey.Count == 1);

    private static string RawTargetOf(Exchange x) =>
        x.Request.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;

    private static async Task FailAsync(Exchange x, int status, string message)
    {
        x.Record.Status = status;
        await x.Audit.WriteAsync(x.Record);
        x.Response.Headers.XContentTypeOptions = "nosniff";
        x.Response.Headers.CacheControl = "no-store";
        await x.WriteAsync(status, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(Printable.Line(message) + "\n"));
    }
}
