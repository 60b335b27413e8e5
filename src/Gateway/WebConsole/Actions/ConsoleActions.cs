using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Operations.ReadModels;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.WebConsole.Pages;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.WebConsole;

/// <summary>
/// What a person does on a page. Each action goes through the same code as the admin API, with the rights of the person, and is audited
/// before the answer.
/// </summary>
internal sealed class ConsoleActions(
    Html html, ICurrent<RepositoryRouter> current, CachedRepositories cached, IUpstreamMemory memory, Deletions deletions, HoldsApi holds,
    JobsApi jobs, OperatorPages whole, UndoActions undo, ActionAnswers answers, AuditLog audit)
{
    private const string ComparePath = "/policy/compare";

    public static bool Has(string path) =>
        path is "/delete" or "/collect" or "/holds/release" or "/holds/drop" or ComparePath || UndoActions.Has(path);

    /// <summary>Does what a form asks for.</summary>
    public async Task AnswerAsync(HttpContext context, Visitor visitor, string path)
    {
        var visit = visitor.Visit;
        // Before the form is read: no one else makes the gateway keep memory for a policy.
        if (path == ComparePath && !visitor.Viewer.IsOperator)
        {
            await answers.RefuseAsync(context, visit, Status403Forbidden, "Only the operator can compare policies.");
            return;
        }
        var most = path == ComparePath ? Form.MostOfPolicy : Form.MostBytes;
        if (await Form.ReadAsync(context.Request, context.RequestAborted, most) is not { } form || !form.IsOf(visit.Csrf))
        {
            await answers.RefuseAsync(
                context, visit, Status403Forbidden,
                "The form did not come from a page of this console, or the page is too old. Go back, reload the page, and try again.");
            return;
        }
        if (audit.RefusesBecause() is { } why)
        {
            await answers.RefuseAsync(context, visit, Status503ServiceUnavailable, why);
            return;
        }
        await (path switch
        {
            "/delete" => DeleteAsync(context, visitor, form),
            "/collect" => CollectAsync(context, visitor, form),
            ComparePath => CompareAsync(context, visitor, form),
            _ when UndoActions.Has(path) => undo.AnswerAsync(context, visitor, form, path),
            _ => EndHoldAsync(context, visitor, form, isRelease: path == "/holds/release"),
        });
    }

    private async Task CompareAsync(HttpContext context, Visitor visitor, Form form)
    {
        var (status, page) = await whole.CompareAsync(visitor, form["policy"], context.RequestAborted);
        answers.Tell(context, visitor, "admin", isDone: true, detail: "policy diff");
        await ConsoleSite.WriteAsync(context, status, page);
    }

    private Task CollectAsync(HttpContext context, Visitor visitor, Form form)
    {
        var visit = visitor.Visit;
        if (!visitor.Viewer.IsOperator)
            return answers.RefuseAsync(context, visit, Status403Forbidden, "Only the operator can start a job.");
        var (isScrub, dryRun) = (form["what"] == "scrub", form["what"] != "gc");
        var untagged = form["untagged"] is { Length: > 0 } age ? age : null;
        var (job, problem) = jobs.Start(isScrub, dryRun, untagged, visitor.Viewer.Actor);
        var detail = isScrub ? "scrub" : $"gc{(untagged is null ? "" : $", untagged {untagged}")}{(dryRun ? " (dry run)" : "")}";
        answers.Tell(context, visitor, "admin", problem is null, detail: problem is null ? detail : $"gc: {problem}");
        return answers.SayAsync(
            context, visit, problem is null ? Status200OK : Status409Conflict, "Start a job",
            [new(problem is null, problem ?? $"Job {job} has started.")], new(visit.To("/upkeep"), "Back to upkeep"));
    }

    private async Task EndHoldAsync(HttpContext context, Visitor visitor, Form form, bool isRelease)
    {
        var (repository, tag, digest, reason) = (form["repository"], form["tag"], form["digest"], form["reason"]);
        // The page sends the digest that it shows: a push that replaced it since is not the one that the person decided about.
        if (!RepositoryName.TryParse(repository, out _) || !TagName.TryParse(tag, out _) || !Digest.TryParse(digest, out _)
            || reason.Length > HoldsApi.MaxReason)
        {
            await answers.RefuseAsync(
                context, visitor.Visit, Status400BadRequest,
                $"Expected a repository, a tag, a digest, and a reason of at most {HoldsApi.MaxReason} characters, got something else.",
                new(visitor.Visit.To("/holds"), "Held pushes"));
            return;
        }
        var reference = $"{repository}:{tag}";
        var result = await holds.EndAsync(visitor.Viewer.In, new(reference, reason, digest), isRelease, context.RequestAborted);
        answers.Tell(
            context, visitor, isRelease ? "release" : "drop", result.Problem is null, repository, tag, result.Digest ?? "",
            result.Problem is null ? reason : $"{reason}: {result.Problem}");
        var done = isRelease ? $"{reference} is live: clients pull {result.Digest}." : $"The held push of {reference} was dropped.";
        var line = new ResultLine(result.Problem is null, result.Problem ?? done);
        await answers.SayAsync(
            context, visitor.Visit, result.Problem is null ? Status200OK : Status409Conflict, isRelease ? "Release" : "Drop", [line],
            new(visitor.Visit.ToTags(repository), "Tags of the repository"));
    }

    private async Task DeleteAsync(HttpContext context, Visitor visitor, Form form)
    {
        var visit = visitor.Visit;
        var plan = await deletions.PlanAsync(visitor.Viewer, form["repository"], form.All("tag"), context.RequestAborted);
        if (plan is null)
        {
            await answers.SayAsync(context, visit, Status404NotFound, "Nothing to delete", [new(false,
                "Select at least one tag that exists, in a repository where you may delete.")],
                new(visit.ToTags(form["repository"]), "Back to the tags"));
            return;
        }
        var lines = plan.Changed.Select(tag => new ResultLine(
            false, $"{plan.Repository}:{tag} was not deleted: it is bound to another manifest now; select it again.")).ToList();
        // Only the page that says what is freed sends each tag with its digest: nothing is deleted that the person did not see.
        var isSure = form["sure"] == "yes" && form.All("tag").All(static tag => tag.Contains('@', StringComparison.Ordinal));
        if (!isSure && plan.Tags.Count > 0)
        {
            await ConsoleSite.WriteAsync(context, Status200OK, await html.RenderAsync<DeletionDetails>(
                (nameof(DeletionDetails.Visit), visit), (nameof(DeletionDetails.Plan), plan)));
            return;
        }
        foreach (var tag in plan.Tags) lines.Add(await DeleteAsync(context, visitor, plan, tag));
        if (plan.IsCached) await memory.ForgetAsync();
        var status = lines.TrueForAll(static line => line.IsGood) ? Status200OK : Status409Conflict;
        await answers.SayAsync(context, visit, status, "Deleted", lines, new(visit.ToTags(plan.Repository), "Back to the tags"));
    }

    private async Task<ResultLine> DeleteAsync(HttpContext context, Visitor visitor, DeletionPlan plan, DeletedTag tag)
    {
        var (reference, stop) = ($"{plan.Repository}:{tag.Tag}", context.RequestAborted);
        string? problem;
        if (plan.IsCached)
            problem = (await Purge.RunAsync(cached, current.Value, new(reference), stop)).Problem;
        else
            problem = (await StoredNames.DeleteAsync(current.Value, new(reference), visitor.Viewer.In, stop)).Problem;
        answers.Tell(context, visitor, plan.IsCached ? "purge" : "delete", problem is null, plan.Repository, tag.Tag, tag.Digest, problem);
        return problem is null
            ? new(true, $"{reference} was {(plan.IsCached ? "removed from the cache" : "deleted")}.")
            : new(false, $"{reference} was not deleted: {problem}");
    }
}
