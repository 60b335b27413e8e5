using Gateway.Operations;
using Gateway.WebConsole.Pages;

namespace Gateway.WebConsole;

/// <summary>Where the page of a result leads.</summary>
/// <param name="Word">What the link says.</param>
internal sealed record WayBack(string To, string Word);

/// <summary>Answers what a person did on a page, and writes it to the audit log first.</summary>
internal sealed class ActionAnswers(Html html, AuditLog audit, TimeProvider clock)
{
    /// <summary>Notes an action in the audit log.</summary>
    /// <param name="name">An event of <see cref="AuditEntry"/>.</param>
    public void Tell(
        HttpContext context, Visitor visitor, string name, bool isDone, string? repository = null, string? reference = null,
        string? digest = null, string? detail = null) =>
        audit.Tell(new(clock.GetUtcNow(), name, isDone ? "done" : "refused")
        {
            Actor = visitor.Viewer.Actor, Remote = context.Connection.RemoteIpAddress?.ToString(), RequestId = context.TraceIdentifier,
            How = "console", Repository = repository, Reference = reference, Digest = digest, Detail = detail,
        });

    /// <summary>Writes the page of an action that was not done.</summary>
    /// <param name="back">Null for the repositories.</param>
    public Task RefuseAsync(HttpContext context, Visit visit, int status, string why, WayBack? back = null) =>
        SayAsync(context, visit, status, "Not done", [new(false, why)], back ?? new(visit.To("/repositories"), "Repositories"));

    /// <summary>Writes the page of a result.</summary>
    public async Task SayAsync(
        HttpContext context, Visit visit, int status, string title, IReadOnlyList<ResultLine> lines, WayBack back) =>
        await ConsoleSite.WriteAsync(context, status, await html.RenderAsync<ResultDetails>(
            (nameof(ResultDetails.Visit), visit), (nameof(ResultDetails.Title), title), (nameof(ResultDetails.Lines), lines),
            (nameof(ResultDetails.Back), back.To), (nameof(ResultDetails.BackWord), back.Word)));
}
