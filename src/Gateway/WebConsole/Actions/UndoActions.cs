using Gateway.Operations;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.WebConsole;

/// <summary>Binding a tag to what it was bound to before, and bringing back what was removed.</summary>
internal sealed class UndoActions(ActionAnswers answers, RollbackApi rollbacks, TrashApi trash)
{
    public static bool Has(string path) => path is "/rollback" or "/trash/restore" or "/trash/empty";

    /// <summary>Does what a form asks for.</summary>
    public Task AnswerAsync(HttpContext context, Visitor visitor, Form form, string path) => path switch
    {
        "/rollback" => RollBackAsync(context, visitor, form),
        _ when !visitor.Viewer.IsOperator =>
            answers.RefuseAsync(context, visitor.Visit, Status403Forbidden, "The trash is a matter of the operator."),
        "/trash/empty" => EmptyAsync(context, visitor),
        _ => RestoreAsync(context, visitor, form),
    };

    private async Task EmptyAsync(HttpContext context, Visitor visitor)
    {
        var bytes = await trash.EmptyAsync();
        answers.Tell(context, visitor, "admin", isDone: true, detail: "empty the trash");
        await answers.SayAsync(
            context, visitor.Visit, Status200OK, "Empty the trash", [new(true, $"{Text.Bytes(bytes)} were deleted.")],
            new(visitor.Visit.To("/trash"), "The trash"));
    }

    private async Task RollBackAsync(HttpContext context, Visitor visitor, Form form)
    {
        var (visit, repository, tag) = (visitor.Visit, form["repository"], form["tag"]);
        if (!RepositoryName.TryParse(repository, out _) || !TagName.TryParse(tag, out _))
        {
            await answers.RefuseAsync(context, visit, Status400BadRequest, "Expected a repository and a tag, got something else.");
            return;
        }
        var result = await BindAsync(context, visitor, repository, tag, form["digest"], form["from"]);
        await answers.SayAsync(
            context, visit, result.IsGood ? Status200OK : Status409Conflict, "Roll back", [result],
            new(visit.ToImage(repository, tag), "The tag"));
    }

    private async Task<ResultLine> BindAsync(
        HttpContext context, Visitor visitor, string repository, string tag, string digest, string from)
    {
        var reference = $"{repository}:{tag}";
        var result = await rollbacks.RunAsync(visitor.Viewer.In, new(reference, digest, from), context.RequestAborted);
        answers.Tell(
            context, visitor, "rollback", result.Problem is null, repository, tag, result.Digest, result.Problem ?? result.State);
        return result switch
        {
            { Problem: { } problem } => new(false, $"{reference} stays as it is: {problem}"),
            { State: "held" } => new(false, $"The policy holds {result.Digest}, as it would a push of it. {reference} stays as it is."),
            _ => new(true, $"{reference} is now {result.Digest}."),
        };
    }

    // A manifest with its blobs and evidence; then, of a removed tag, the tag too.
    private async Task RestoreAsync(HttpContext context, Visitor visitor, Form form)
    {
        var visit = visitor.Visit;
        var (repository, digest, tag) = (form["repository"], form["digest"], form["tag"]);
        var reference = $"{repository}@{digest}";
        var (status, result, problem) = await trash.RestoreAsync(reference, context.RequestAborted);
        answers.Tell(
            context, visitor, "admin", status == Status200OK, RepositoryName.TryParse(repository, out _) ? repository : null, null,
            Digest.TryParse(digest, out _) ? digest : null, "restore from the trash");
        List<ResultLine> lines = problem is null ? [] : [new(false, problem)];
        foreach (var each in result?.Restored ?? [])
        {
            var tags = each.Tags.Count > 0 ? $" It had the tags {string.Join(", ", each.Tags)}." : "";
            lines.Add(new(true, $"{each.Repository}@{each.Digest} is back, with {each.Blobs} blobs.{tags}"));
        }
        foreach (var one in result?.Problems ?? []) lines.Add(new(false, one));
        if (lines.Count == 0 && tag.Length == 0) lines.Add(new(true, $"{reference} is already there."));
        // Empty: the tag must not be bound to anything by now.
        if (tag.Length > 0 && lines.TrueForAll(static line => line.IsGood))
            lines.Add(await BindAsync(context, visitor, repository, tag, digest, RollbackApi.Unbound));
        await answers.SayAsync(
            context, visit, lines.TrueForAll(static line => line.IsGood) ? Status200OK : Status409Conflict, "Restore", lines,
            new(visit.To("/trash"), "The trash"));
    }
}
