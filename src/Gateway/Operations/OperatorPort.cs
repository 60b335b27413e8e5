using System.Text;
using Gateway.Access;

namespace Gateway.Operations;

/// <summary>
/// Serves the operator port: <c>/livez</c>, <c>/readyz</c>, <c>/metrics</c>, the admin API, and the pages of the console. The connection
/// decides whether a request belongs to this port.
/// </summary>
internal sealed class OperatorPort(
    Health health, MetricsExport metrics, AdminApi admin, OperatorDoor door, AuditLog audit, TimeProvider clock,
    IOperatorPages pages)
{
    private const string PlainText = "text/plain; charset=utf-8";

    public Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "";
        // Container platforms send probes without a token; only requests with the token get details.
        if (path is not ("/livez" or "/readyz") && door.ProblemOf(context.Request) is { } problem)
        {
            // A browser cannot send the token: the console asks for it on a page.
            return problem.Status == StatusCodes.Status401Unauthorized && pages.Has(path) && AcceptsPages(context.Request, path)
                ? pages.AnswerAsync(context, isAdmitted: false)
                : RefuseAsync(context, problem);
        }
        if (path.StartsWith(AdminApi.Prefix, StringComparison.Ordinal)) return AdministerAsync(context, path);
        if (pages.Has(path)) return pages.AnswerAsync(context, isAdmitted: true);
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            return WriteAsync(context, StatusCodes.Status405MethodNotAllowed, PlainText, "expected GET or HEAD\n"u8.ToArray());
        }
        return path switch
        {
            "/livez" => WriteAsync(context, StatusCodes.Status200OK, PlainText, "ok\n"u8.ToArray()),
            "/readyz" => ReadyAsync(context),
            "/metrics" => MetricsAsync(context),
            _ => WriteAsync(
                context, StatusCodes.Status404NotFound, PlainText, "expected /, /livez, /readyz, /metrics or /api/v1/\n"u8.ToArray()),
        };
    }

    // Over http from another machine, browsers send no Sec-Fetch headers, and scripts and styles are not asked for as HTML.
    private static bool AcceptsPages(HttpRequest request, string path) =>
        request.Headers.Authorization.Count == 0
        && (path.StartsWith("/assets/", StringComparison.Ordinal)
            || request.Cookies.ContainsKey(SessionCookies.Operator)
            || request.Headers.ContainsKey("Sec-Fetch-Mode")
            || request.Headers.Accept.ToString().Contains("text/html", StringComparison.Ordinal));

    // One line for people and probes; every check as JSON with ?verbose.
    private async Task ReadyAsync(HttpContext context)
    {
        var problems = health.Problems();
        var status = problems.Count == 0 ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        var isVerbose = context.Request.Query.ContainsKey("verbose");
        if (door.ProblemOf(context.Request) is { } problem)
        {
            // Where the answer differs from that to the right token, it would tell a guess at once. Probes are not held up.
            if (isVerbose || problems.Count > 0) await door.HoldBackAsync(context, problem);
            await WriteAsync(context, status, PlainText, problems.Count == 0 ? "ok\n"u8.ToArray() : "not ready\n"u8.ToArray());
            return;
        }
        if (isVerbose)
        {
            await WriteAsync(context, status, "application/json", health.ToJson(problems));
            return;
        }
        var line = problems.Count == 0 ? "ok" : string.Join("; ", problems.Select(each => $"{each.Check}: {each.Problem}"));
        await WriteAsync(context, status, PlainText, Encoding.UTF8.GetBytes(line + "\n"));
    }

    // Reads are not audited, because monitoring requests every few seconds. All others are audited before the response is sent; a response
    // in parts, such as that of a prefetch, before its end.
    private async Task AdministerAsync(HttpContext context, string path)
    {
        if (HttpMethods.IsGet(context.Request.Method))
        {
            await admin.AnswerAsync(context);
            return;
        }
        var (name, isTold) = (admin.EventOf(path), false);
        context.Response.OnStarting(() =>
        {
            if (context.Response.ContentLength is not null) TellAnswered();
            return Task.CompletedTask;
        });
        try
        {
            await (audit.RefusesBecause() is { } why
                ? AdminApi.ProblemAsync(context, StatusCodes.Status503ServiceUnavailable, why)
                : admin.AnswerAsync(context));
            TellAnswered();
        }
        catch (Exception problem) when (!isTold)
        {
            var isGone = problem is OperationCanceledException;
            Tell(context, name, "failed", isGone ? StatusCodes.Status499ClientClosedRequest : StatusCodes.Status500InternalServerError);
            throw;
        }

        void TellAnswered()
        {
            if (!isTold) Tell(context, name, context.Response.StatusCode < 400 ? "done" : "refused", context.Response.StatusCode);
            isTold = true;
        }
    }

    private void Tell(HttpContext context, string name, string outcome, int status) => audit.Tell(new(clock.GetUtcNow(), name, outcome)
    {
        Actor = "operator", Remote = context.Connection.RemoteIpAddress?.ToString(), RequestId = context.TraceIdentifier,
        How = name == "login" ? "operator-token" : null, Status = status,
        Detail = context.Features.Get<AdminSubject>()?.Text ?? context.Request.Path.Value,
    });

    private async Task RefuseAsync(HttpContext context, DoorProblem problem)
    {
        Tell(context, "login", "refused", problem.Status);
        await door.HoldBackAsync(context, problem);
        if (problem.Status == StatusCodes.Status401Unauthorized) context.Response.Headers.WWWAuthenticate = "Bearer realm=\"operator\"";
        await AdminApi.ProblemAsync(context, problem.Status, problem.Message);
    }

    private Task MetricsAsync(HttpContext context) => metrics.Collect() is { } text
        ? WriteAsync(context, StatusCodes.Status200OK, PrometheusText.ContentType, Encoding.UTF8.GetBytes(text))
        : WriteAsync(context, StatusCodes.Status503ServiceUnavailable, PlainText, "metrics could not be collected in time\n"u8.ToArray());

    private static async Task WriteAsync(HttpContext context, int status, string contentType, byte[] body)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = contentType;
        response.ContentLength = body.Length;
        response.Headers.CacheControl = "no-store";
        if (!HttpMethods.IsHead(context.Request.Method)) await response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }
}
