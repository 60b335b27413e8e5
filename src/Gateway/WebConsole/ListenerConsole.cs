using System.Net;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Operations.ReadModels;
using Gateway.WebConsole.Pages;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.WebConsole;

/// <summary>What the listener knows of a request for the console.</summary>
/// <param name="Access">The accounts and rules in force.</param>
/// <param name="BaseUrl">The address by which the browser reaches the listener.</param>
/// <param name="Certificate">The client's certificate; null for none.</param>
/// <param name="Identified">Is told who the person is, and what proves it, before anything is shown.</param>
/// <param name="CallerOf">The caller with its rights in a repository; checked again before a change is committed.</param>
/// <param name="IsInForce">Whether the configuration of the request, with its rights, is still in force.</param>
/// <param name="IsReadOnly">Whether the listener accepts no changes.</param>
internal sealed record ListenerRequest(
    AccessControl Access, Uri BaseUrl, IPAddress? Remote, ClientCertificate? Certificate, Action<Identity, string?> Identified,
    Func<RepositoryName, Caller> CallerOf, Func<bool> IsInForce, bool IsReadOnly);

/// <summary>The console on the listeners: each person logs in, and sees what access rules allow.</summary>
internal sealed class ListenerConsole(
    ConsoleSite site, Sessions sessions, Html html, AuditLog audit, TimeProvider clock, ConfigurationInForce inForce)
{
    /// <summary>The path of the console on a listener.</summary>
    public const string Base = "/-/console";

    // For forms that are shown before a login, and with a certificate. Pages of other sites cannot read it.
    private readonly string _csrf = Sessions.Secret();

    /// <param name="path">The path behind <see cref="Base"/>, as it was sent.</param>
    public async Task AnswerAsync(HttpContext context, ListenerRequest asked, string path)
    {
        ConsoleSite.Protect(context.Response.Headers);
        if (path.StartsWith("/assets/", StringComparison.Ordinal) && await Assets.AnswerAsync(context, path["/assets/".Length..])) return;
        var isPost = HttpMethods.IsPost(context.Request.Method);
        if (path == "/login" && isPost)
        {
            await LogInAsync(context, asked);
            return;
        }
        var session = SessionOf(context, asked, touch: !path.StartsWith(ConsoleSite.LivePrefix, StringComparison.Ordinal));
        if (path == "/logout" && isPost)
        {
            await LogOutAsync(context, asked, session);
            return;
        }
        var known = session?.Identity ?? await ByConnectionAsync(asked);
        if (known is null || path == "/login")
        {
            await AskAsync(context, asked, known is null ? Status401Unauthorized : Status200OK, null);
            return;
        }
        asked.Identified(known, session?.Proof ?? asked.Access.ProofOf(known));
        var actor = (known as Identity.Known)?.Actor ?? Caller.Anonymous;
        var isOperator = asked.Access.MayAdminister(known);
        var visit = VisitOf(asked, session?.Account, isOperator, session?.Csrf ?? _csrf);
        var visitor = new Visitor(visit, new(actor, isOperator, asked.CallerOf))
        {
            // After a change of the configuration, the browser connects again, and the rights of then apply.
            IsStillIn = () => asked.IsInForce() && (session is null || IsValid(session, asked)),
            Source = session?.Id ?? $"{asked.Remote}", Account = (known as Identity.Known)?.Actor,
        };
        await site.AnswerAsync(context, visitor, path.Length == 0 ? "/" : path);
    }

    private Session? SessionOf(HttpContext context, ListenerRequest asked, bool touch)
    {
        if (sessions.Find(context.Request.Cookies[SessionCookies.Listener], touch) is not { Identity: not null } session) return null;
        if (IsValid(session, asked)) return session;
        sessions.End(session.Id);
        return null;
    }

    private bool IsValid(Session session, ListenerRequest asked) =>
        sessions.Find(session.Id, touch: false) is not null && asked.Access.StillKnows(session.Identity!, session.Proof);

    // A certificate identifies without a login. Without access rules, everyone is anonymous and has all rights.
    private static async ValueTask<Identity?> ByConnectionAsync(ListenerRequest asked)
    {
        if (asked.Access.IsOpen) return Identity.Anonymous.Instance;
        return asked.Certificate is null ? null
            : await asked.Access.IdentifyAsync(null, asked.Remote, asked.Certificate, CancellationToken.None) as Identity.Known;
    }

    private async Task LogInAsync(HttpContext context, ListenerRequest asked)
    {
        if (await Form.ReadAsync(context.Request, context.RequestAborted) is not { } form || !form.IsOf(_csrf))
        {
            await AskAsync(context, asked, Status403Forbidden, "The page was too old. Please log in again.");
            return;
        }
        var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{form["account"]}:{form["password"]}"));
        var identity = await asked.Access.IdentifyAsync($"Basic {credentials}", asked.Remote, null, context.RequestAborted);
        Tell(context, asked, identity);
        if (identity is not Identity.Known known || !asked.Access.IsNamed(known) || asked.Access.ProofOf(known) is not { } proof)
        {
            var (status, why) = identity switch
            {
                Identity.Undecided undecided => (Status503ServiceUnavailable, undecided.Why),
                Identity.Known who when !asked.Access.IsNamed(who) =>
                    (Status403Forbidden, $"No rule of access names {who.Actor}. Ask the operator for rights."),
                Identity.Known => (Status401Unauthorized, "The account was removed meanwhile."),
                _ => (Status401Unauthorized, "Wrong account or password."),
            };
            await AskAsync(context, asked, status, why);
            return;
        }
        // The cookie of an earlier login does not become that of this one (session fixation).
        if (context.Request.Cookies[SessionCookies.Listener] is { } earlier) sessions.End(earlier);
        var session = sessions.Open(known.Actor, known, proof, LongestOf(asked, known, form["password"]));
        Cookies.Write(context.Response, SessionCookies.Listener, session.Id, Base, IsSecure(asked));
        Redirect(context, $"{Base}/");
    }

    // An identity token proves the person until its exp, and no longer.
    private TimeSpan LongestOf(ListenerRequest asked, Identity.Known known, string password)
    {
        if (known.Issuer is null) return Sessions.Longest;
        var remaining = asked.Access.EndOf(password) - clock.GetUtcNow();
        return remaining < Sessions.LongestOfToken ? remaining.Value : Sessions.LongestOfToken;
    }

    private void Tell(HttpContext context, ListenerRequest asked, Identity identity) =>
        audit.Tell(new(clock.GetUtcNow(), "login", identity is Identity.Known ? "done" : "refused")
        {
            Actor = (identity as Identity.Known)?.Actor ?? (identity as Identity.Wrong)?.Account, Remote = asked.Remote?.ToString(),
            RequestId = context.TraceIdentifier, How = "console",
        });

    private async Task LogOutAsync(HttpContext context, ListenerRequest asked, Session? session)
    {
        var form = await Form.ReadAsync(context.Request, context.RequestAborted);
        if (session is not null && form?.IsOf(session.Csrf) != true)
        {
            context.Response.StatusCode = Status403Forbidden;
            return;
        }
        if (session is not null) sessions.End(session.Id);
        Cookies.Write(context.Response, SessionCookies.Listener, null, Base, IsSecure(asked));
        Redirect(context, $"{Base}/login");
    }

    private async Task AskAsync(HttpContext context, ListenerRequest asked, int status, string? problem) =>
        await ConsoleSite.WriteAsync(context, status, await html.RenderAsync<LoginDetails>(
            (nameof(LoginDetails.Visit), VisitOf(asked, null, isOperator: false, _csrf)), (nameof(LoginDetails.Problem), problem)));

    private Visit VisitOf(ListenerRequest asked, string? account, bool isOperator, string csrf) =>
        new(Base, asked.BaseUrl.Authority, !IsSecure(asked), account, isOperator, csrf)
        {
            Api = "$OPERATOR", Now = clock.GetUtcNow(), IsReadOnly = asked.IsReadOnly,
            HasReplicas = inForce.Current.Replicas is not null,
        };

    private static bool IsSecure(ListenerRequest asked) => asked.BaseUrl.Scheme == Uri.UriSchemeHttps;

    // A form's answer is fetched with GET, so that a reload does not send the form again (RFC 9110, 15.4.4).
    internal static void Redirect(HttpContext context, string to)
    {
        context.Response.StatusCode = Status303SeeOther;
        context.Response.Headers.Location = to;
    }
}
