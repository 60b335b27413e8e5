using Gateway.Access;
using Gateway.Configuration;
using Gateway.Repositories;
using Microsoft.AspNetCore.Http.Features;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// Every request takes these steps in order: framing, target, browser checks, identity, route, rights and repository, handler. Each step
/// refuses the request and ends, or passes it on.
/// </summary>
internal static class RegistryFace
{
    // Not "authentication required", the words of CNCF distribution's own code table: its client library takes an error with just these for
    // one without a message, which dockerd then repeats for a minute and prints as "unauthorized".
    public const string LogIn = "log in to this registry first";

    /// <summary>
    /// How often one write is tried again under a new configuration. Chosen: reloads are seconds apart, commits take milliseconds.
    /// </summary>
    private const int MaxRenewals = 8;

    public static async Task AnswerAsync(Exchange x, WebFace web, ConsoleFace console)
    {
        if (await RefuseFramingAsync(x)) return;
        if (ConsoleFace.PathOf(x) is { } page)
        {
            await console.AnswerAsync(x, page);
            return;
        }
        if (WebFace.SiteOf(x) is { } site)
        {
            await web.AnswerAsync(x, site);
            return;
        }
        if (await RefuseTargetAsync(x) || await CallerChecks.RefuseAsync(x)) return;
        if (await RefuseIdentityAsync(x)) return;
        if (RouteTable.Find(x.Target.Route, x.Request.Method) is not { } operation)
        {
            await RefuseRouteAsync(x);
            return;
        }
        if (await RefuseUnauditedAsync(x)) return;
        if (operation.Needs != AccessActions.None && await RefuseRepositoryAsync(x, operation.Needs)) return;
        await operation.Handle(x);
    }

    /// <summary>
    /// Writes under the configuration that is in force when the change is committed. A request can last for hours. If its account has
    /// changed or another configuration came into force since it began, identity, rights, route and policy are checked again.
    /// </summary>
    /// <param name="needs">What access rules must allow in the target's repository; none where <paramref name="write"/> asks.</param>
    /// <param name="write">Returns null when it has refused and answered the request.</param>
    /// <returns>Null when the request was refused and answered.</returns>
    public static async Task<Answer<T>?> WriteAsync<T>(Exchange x, AccessActions needs, Func<ValueTask<Answer<T>?>> write)
    {
        for (var attempt = 0; attempt < MaxRenewals; attempt++)
        {
            if (!x.IsValid && await RefuseAnewAsync(x, needs)) return null;
            if (await write() is not { } answer) return null;
            if (answer is not Answer<T>.Superseded) return answer;
        }
        await x.UnavailableAsync("the configuration of this gateway keeps changing; send the request again");
        return null;
    }

    private static async Task<bool> RefuseAnewAsync(Exchange x, AccessActions needs)
    {
        x.TakeCurrent();
        if (!x.Snapshot.Access.StillKnows(x.Identity, x.Proof))
        {
            await x.ChallengeAsync("the account was removed or its password was changed during this request; log in again");
            return true;
        }
        return await RefuseUnauditedAsync(x) || (needs != AccessActions.None && await RefuseRepositoryAsync(x, needs));
    }

    // Kestrel takes a request with both lengths and reads it as chunked, keeping the other aside under this name; it takes a list of
    // codings that ends in chunked; and chunks of HTTP/1.0 and HTTP/2, which know none. A proxy in front may have read each the other way
    // (request smuggling, RFC 9112 §6.1).
    private static async Task<bool> RefuseFramingAsync(Exchange x)
    {
        var headers = x.Request.Headers;
        var coding = headers.TransferEncoding;
        if (coding.Count == 0) return false;
        var isPlain = coding.Count == 1 && "chunked".Equals(coding[0], StringComparison.OrdinalIgnoreCase);
        var hasLength = headers.ContentLength is not null || headers.ContainsKey("X-Content-Length");
        if (isPlain && !hasLength && HttpProtocol.IsHttp11(x.Request.Protocol)) return false;
        // HTTP/2 has no such header (RFC 9113 §8.2.2).
        if (!HttpProtocol.IsHttp2(x.Request.Protocol)) x.Response.Headers.Connection = "close";
        var message = hasLength
            ? "Content-Length and Transfer-Encoding must not be sent together"
            : "the only Transfer-Encoding is chunked, and only in HTTP/1.1";
        await x.FailAsync(RegistryErrorCode.UNSUPPORTED, message, status: Status400BadRequest);
        return true;
    }

    private static async Task<bool> RefuseTargetAsync(Exchange x)
    {
        var raw = x.Request.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        (x.Target, var problem) = RecentTargets.Parse(raw);
        Describe(x);
        if (problem is null) return false;
        await x.FailAsync(problem.Code, problem.Message, status: problem.Status);
        return true;
    }

    private static void Describe(Exchange x)
    {
        var (record, target) = (x.Record, x.Target);
        record.Route = target.Route.Label();
        record.Repository = target.Repository.Value;
        record.Reference = target.ReferenceText;
        record.Namespace = target.Query.Namespace;
    }

    // Credentials are checked on every route if the client sent some; whether a route needs them is decided below. The token endpoint has
    // its own check.
    private static async Task<bool> RefuseIdentityAsync(Exchange x)
    {
        if (x.Target.Route == Route.Token) return false;
        if (x.Snapshot.PassesCredentialsOn) return await RefuseUnreadableAsync(x);
        x.Identity = await x.Snapshot.Access.IdentifyAsync(
            x.Request.Headers.Authorization, x.RemoteAddress, x.Request.HttpContext.Features.Get<ClientCertificate>(), x.Aborted);
        x.Proof = x.Snapshot.Access.ProofOf(x.Identity);
        x.Record.Actor = (x.Identity as Identity.Known)?.Actor ?? (x.Identity as Identity.Wrong)?.Account ?? Caller.Anonymous;
        x.Record.Login = LoginOf(x);
        if (x.Identity is Identity.Wrong wrong)
        {
            await x.ChallengeAsync(wrong.Reason);
            return true;
        }
        if (x.Identity is Identity.Undecided undecided)
        {
            await x.UnavailableAsync(undecided.Why);
            return true;
        }
        var mayNeedLogin = x.Target.Route is Route.Ping or Route.Unknown;
        if (x.Identity is not Identity.Anonymous || x.Snapshot.Access.IsOpen || !mayNeedLogin) return false;

        // Clients find out by the ping that they must log in. An anonymous token passes, because its client has done so already.
        if (x.Target.Route == Route.Ping && (x.Listener.PullOnly || x.Request.Headers.Authorization.Count > 0)) return false;
        await x.ChallengeAsync(LogIn);
        return true;
    }

    // The gateway's own tokens are in the audit log since they were issued.
    internal static string? LoginOf(Exchange x)
    {
        var sent = x.Request.Headers.Authorization.ToString();
        if (x.Identity is Identity.Anonymous) return null;
        if (sent.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
            return x.Identity is Identity.Known { Issuer: not null } ? "identity-token" : "password";
        if (x.Identity is Identity.Wrong) return sent.Contains('.', StringComparison.Ordinal) ? "identity-token" : "token";
        if (sent.Contains('.', StringComparison.Ordinal)) return "identity-token";
        return sent.Length == 0 || (x.Identity as Identity.Known)?.Issuer == "cert" ? "certificate" : null;
    }

    // A change is refused if its audit line cannot be written (docs/operations.md, "Audit").
    private static async Task<bool> RefuseUnauditedAsync(Exchange x)
    {
        if (x.Request.Method == HttpMethods.Get || x.IsHead || x.Target.Route is Route.Token or Route.Evaluate) return false;
        if (x.Audit.RefusesBecause() is not { } why) return false;
        await x.UnavailableAsync(why);
        return true;
    }

    // Only the upstream knows whether the credentials are valid, and only a request for one of its repositories sends them there.
    private static async Task<bool> RefuseUnreadableAsync(Exchange x)
    {
        x.Record.Actor = Caller.Anonymous;
        var sent = x.Request.Headers.Authorization.ToString();
        x.Shown = AccessControl.ReadBasic(sent);
        var mustShow = sent.Length > 0 || (x.Target.Route == Route.Ping && !x.Listener.PullOnly);
        if (x.Shown is not null || !mustShow) return false;
        await x.ChallengeAsync(sent.Length > 0 ? "expected Basic credentials of the upstream; log in with that account" : LogIn);
        return true;
    }

    private static Task RefuseRouteAsync(Exchange x)
    {
        if (x.Target.Route == Route.Unknown) return x.FailAsync(RegistryErrorCode.NAME_UNKNOWN, "no such path");
        var allowed = RouteTable.Allow(x.Target.Route);
        x.Response.Headers.Allow = allowed;
        return x.FailAsync(
            RegistryErrorCode.UNSUPPORTED, $"{Printable.Line(x.Request.Method, 20)} is not supported on this path; allowed: {allowed}");
    }

    private static async Task<bool> RefuseRepositoryAsync(Exchange x, AccessActions needs)
    {
        var routed = x.Snapshot.Router.Route(x.Host, x.Target.Query.Namespace, x.Target.Repository, x.Shown);
        (x.Caller, x.Hint) = (x.CallerOf(routed.CanonicalName), routed.Hint);
        if (!x.Caller.Rights.HasFlag(needs))
        {
            await RefuseRightsAsync(x, needs);
            return true;
        }
        if (x.Listener.PullOnly && needs != AccessActions.Pull)
        {
            await x.FailAsync(RegistryErrorCode.DENIED, "this listener accepts no writes; push to another address of this gateway");
            return true;
        }
        if (routed.Repository is null)
        {
            await x.FailAsync(RegistryErrorCode.NAME_UNKNOWN, x.WithHint($"repository {x.Target.Repository} is not known here"));
            return true;
        }
        x.Repository = routed.Repository;
        return false;
    }

    // Hide the repository's existence from callers without the right to pull.
    private static Task RefuseRightsAsync(Exchange x, AccessActions needs)
    {
        if (x.Identity is Identity.Anonymous && !x.Snapshot.PassesCredentialsOn) return x.ChallengeAsync(LogIn);
        var (actor, action, name) = (x.Caller.Actor, needs.ToString().ToLowerInvariant(), x.Target.Repository);
        return x.Caller.MayPull
            ? x.FailAsync(RegistryErrorCode.DENIED, $"{actor} has no right to {action} in repository {name}; ask the operator for it")
            : x.FailAsync(RegistryErrorCode.NAME_UNKNOWN, $"repository {name} is not known here");
    }
}
