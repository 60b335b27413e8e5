using Gateway.Access;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Operations.ReadModels;
using Gateway.Repositories;
using Gateway.WebConsole.Pages;

namespace Gateway.WebConsole;

internal sealed class OperatorConsole(
    ConsoleSite site, ICurrent<RepositoryRouter> current, OperatorDoor door, Sessions sessions, Html html, AuditLog audit,
    TimeProvider clock)
    : IOperatorPages
{
    // Pages of other sites cannot read it, so one for the process suffices where nobody logs in.
    private readonly string _csrf = Sessions.Secret();

    public bool Has(string path) => path is "/login" or "/logout" || ConsoleSite.Has(path);

    public async Task AnswerAsync(HttpContext context, bool isAdmitted)
    {
        var path = context.Request.Path.Value ?? "/";
        ConsoleSite.Protect(context.Response.Headers);
        if (path.StartsWith("/assets/", StringComparison.Ordinal) && await Assets.AnswerAsync(context, path["/assets/".Length..])) return;
        var isUse = !path.StartsWith(ConsoleSite.LivePrefix, StringComparison.Ordinal);
        var id = context.Request.Cookies[SessionCookies.Operator];
        var session = sessions.Find(id, touch: isUse) is { Identity: null, Proof: { } token } found && door.Accepts(token) ? found : null;
        var isPost = HttpMethods.IsPost(context.Request.Method);
        if (path == "/login" && isPost) await LogInAsync(context);
        else if (path == "/logout" && isPost) await LogOutAsync(context, session);
        else if (!isAdmitted && session is null) await AskAsync(context, null);
        else await site.AnswerAsync(context, VisitorOf(context, session), path);

        bool IsStillIn() => isAdmitted || (sessions.Find(session!.Id, touch: false) is not null && door.Accepts(session.Proof!));

        Visitor VisitorOf(HttpContext request, Session? of) => new(VisitOf(request, of), Viewer.Operator)
        {
            IsStillIn = IsStillIn, IsAtOperatorPort = true, Source = of?.Id ?? $"{request.Connection.RemoteIpAddress}",
        };
    }

    private async Task LogInAsync(HttpContext context)
    {
        var form = await Form.ReadAsync(context.Request, context.RequestAborted);
        var isRight = form?.IsOf(_csrf) == true && door.Accepts(form["password"]);
        audit.Tell(new(clock.GetUtcNow(), "login", isRight ? "done" : "refused")
        {
            Actor = "operator", Remote = context.Connection.RemoteIpAddress?.ToString(), RequestId = context.TraceIdentifier,
            How = "console",
        });
        if (!isRight)
        {
            await door.HoldBackAsync(context);
            await AskAsync(context, "Wrong token.");
            return;
        }
        var session = sessions.Open("operator", null, form!["password"], Sessions.Longest);
        Cookies.Write(context.Response, SessionCookies.Operator, session.Id, "", context.Request.IsHttps);
        ListenerConsole.Redirect(context, "/");
    }

    private async Task LogOutAsync(HttpContext context, Session? session)
    {
        var form = await Form.ReadAsync(context.Request, context.RequestAborted);
        if (session is not null && form?.IsOf(session.Csrf) == true)
        {
            sessions.End(session.Id);
            Cookies.Write(context.Response, SessionCookies.Operator, null, "", context.Request.IsHttps);
        }
        ListenerConsole.Redirect(context, "/");
    }

    private async Task AskAsync(HttpContext context, string? problem) =>
        await ConsoleSite.WriteAsync(context, StatusCodes.Status401Unauthorized, await html.RenderAsync<LoginDetails>(
            (nameof(LoginDetails.Visit), VisitOf(context, null)), (nameof(LoginDetails.NeedsToken), true),
            (nameof(LoginDetails.Problem), problem)));

    private Visit VisitOf(HttpContext context, Session? session)
    {
        var options = current.Value.Options;
        var request = context.Request;
        // Commands of the pages contain the host, and a shell must read it as one.
        var host = IsPlainHost(request.Host.Host) ? request.Host : new("GATEWAY", request.Host.Port ?? options.Operator.Url.Port);
        return new("", RegistryOf(options, host.Host), IsPlain(options), session?.Account, IsOperator: true, session?.Csrf ?? _csrf)
        {
            Api = $"{request.Scheme}://{host}", Now = clock.GetUtcNow(), HasReplicas = options.Replicas is not null,
        };
    }

    // An address that means "any" is replaced by the name under which the operator reached this machine.
    private static string RegistryOf(GatewayOptions options, string host)
    {
        if (options.PublicUrl is { } url) return url.Authority;
        var listener = options.Listen[0];
        if (listener.Hosts.FirstOrDefault() is { } name) return $"{name}:{listener.Url.Port}";
        return listener.Url.Host is "0.0.0.0" or "[::]" ? $"{host}:{listener.Url.Port}" : listener.Url.Authority;
    }

    // With a token, any host is admitted, and browsers allow more characters in one than a shell reads as text.
    private static bool IsPlainHost(string host) =>
        host.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':' or '[' or ']');

    private static bool IsPlain(GatewayOptions options) => (options.PublicUrl ?? options.Listen[0].Url).Scheme == Uri.UriSchemeHttp;
}
