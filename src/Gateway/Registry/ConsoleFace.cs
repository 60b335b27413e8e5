using Gateway.Access;
using Gateway.Repositories;
using Gateway.WebConsole;
using Microsoft.AspNetCore.Http.Features;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>The console below <c>/-/console</c> on a listener, where <c>console.listen</c> is set.</summary>
internal sealed class ConsoleFace(ListenerConsole console)
{
    /// <summary>
    /// The path after the console's own path; null when the request is not for the console. Only the raw target decides, so a path that is
    /// spelled differently does not belong to the console.
    /// </summary>
    public static string? PathOf(Exchange x)
    {
        // Credentials that clients send may be for an upstream only: then the gateway has no accounts to log in with.
        if (!x.Snapshot.Options.Console.Listen || x.Snapshot.PassesCredentialsOn) return null;
        // The pages of an upstream's application have the same origin, and could use the console as the person who is logged in.
        if (x.Snapshot.Web.Find(x.Host) is not null) return null;
        var raw = x.Request.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var question = raw.IndexOf('?', StringComparison.Ordinal);
        var path = question < 0 ? raw : raw[..question];
        return path == ListenerConsole.Base ? ""
            : path.StartsWith(ListenerConsole.Base + "/", StringComparison.Ordinal) ? path[ListenerConsole.Base.Length..]
            : null;
    }

    public async Task AnswerAsync(Exchange x, string path)
    {
        x.Target = new(Route.Console);
        x.Record.Route = Route.Console.Label();
        x.Record.Actor = Caller.Anonymous;
        if (await CallerChecks.RefuseAsync(x)) return;
        if (!Uri.TryCreate(x.BaseUrl, UriKind.Absolute, out var baseUrl))
        {
            await x.FailAsync(
                RegistryErrorCode.UNSUPPORTED, "expected a host with a port from 1 to 65535 in the Host header, got another one",
                status: Status400BadRequest);
            return;
        }
        var isRead = HttpMethods.IsGet(x.Request.Method) || HttpMethods.IsHead(x.Request.Method);
        if (x.Listener.PullOnly && !isRead && path is not ("/login" or "/logout"))
        {
            const string Message = "this listener accepts no changes; use the console at another address of this gateway";
            await x.FailAsync(RegistryErrorCode.DENIED, Message, status: Status403Forbidden);
            return;
        }
        var certificate = x.Request.HttpContext.Features.Get<ClientCertificate>();
        var asked = new ListenerRequest(
            x.Snapshot.Access, baseUrl, x.RemoteAddress, certificate, Identified, CallerOf, () => x.IsInForce, x.Listener.PullOnly);
        await console.AnswerAsync(x.Request.HttpContext, asked, path);

        void Identified(Identity identity, string? proof)
        {
            (x.Identity, x.Proof) = (identity, proof);
            x.Record.Actor = (identity as Identity.Known)?.Actor ?? Caller.Anonymous;
        }

        Caller CallerOf(RepositoryName name) => x.CallerOf(name);
    }
}
