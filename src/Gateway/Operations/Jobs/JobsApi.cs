using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Configuration;

namespace Gateway.Operations;

/// <summary>The options of <c>gateway gc</c>.</summary>
/// <param name="DryRun">Only report what would be removed.</param>
/// <param name="Untagged">
/// A duration such as <c>30d</c>: manifests that nothing refers to are removed too, if they were pushed longer ago than that. Null: they
/// stay.
/// </param>
internal sealed record GcRequest(bool DryRun = false, string? Untagged = null);

/// <summary>The jobs in the admin API: starting, following and stopping them.</summary>
internal sealed class JobsApi(Jobs jobs)
{
    private const string Path = AdminApi.Prefix + "jobs";

    /// <summary>The method and the answer for a path; null when the path is not one of jobs.</summary>
    public (string Method, Func<HttpContext, Task> Answer)? Find(string path) => path switch
    {
        Path => ("GET", ListAsync),
        AdminApi.Prefix + "gc" => ("POST", CollectAsync),
        AdminApi.Prefix + "scrub" => ("POST", ScrubAsync),
        _ when path.StartsWith(Path + "/", StringComparison.Ordinal) => path[(Path.Length + 1)..].Split('/') switch
        {
            [var id] => ("GET", context => ShowAsync(context, id)),
            [var id, "stop"] => ("POST", context => StopAsync(context, id)),
            _ => null,
        },
        _ => null,
    };

    // A line of JSON for each job, the latest first.
    private Task ListAsync(HttpContext context) =>
        AdminApi.WriteLinesAsync(context, jobs.All().ToAsyncEnumerable(), AdminJson.Default.Job);

    private Task ShowAsync(HttpContext context, string id) => jobs.Find(id) is { } job
        ? AdminApi.WriteAsync(context, StatusCodes.Status200OK, job, AdminJson.Default.Job)
        : UnknownAsync(context);

    private async Task StopAsync(HttpContext context, string id)
    {
        context.Features.Set(new AdminSubject($"stop {id}"));
        // The command line sends the options of a collection here, all of them empty.
        if (await AdminApi.ReadAsync(context, AdminJson.Default.GcRequest) is null) return;
        await (await jobs.StopJobAsync(id) is { } job
            ? AdminApi.WriteAsync(context, StatusCodes.Status200OK, job, AdminJson.Default.Job)
            : UnknownAsync(context));
    }

    private static Task UnknownAsync(HttpContext context) =>
        AdminApi.ProblemAsync(context, StatusCodes.Status404NotFound, "expected the id of a known job; list them with: gateway jobs");

    private async Task CollectAsync(HttpContext context)
    {
        if (await AdminApi.ReadAsync(context, AdminJson.Default.GcRequest) is not { } request) return;
        if (request.Untagged is { } age && !Durations.TryParse(age, out _))
        {
            await AdminApi.ProblemAsync(
                context, StatusCodes.Status400BadRequest, $"untagged: expected a duration such as 30d, got '{Printed(age)}'");
            return;
        }
        await StartAsync(context, GcJob.Kind, request, AdminJson.Default.GcRequest, request.DryRun ? "gc (dry run)" : "gc");
    }

    private async Task ScrubAsync(HttpContext context)
    {
        if (await AdminApi.ReadAsync(context, AdminJson.Default.EmptyRequest) is not { } request) return;
        await StartAsync(context, ScrubJob.Kind, request, AdminJson.Default.EmptyRequest, ScrubJob.Kind);
    }

    /// <summary>Starts a scrub, or a collection: the id of the job, or why it was not started.</summary>
    /// <param name="dryRun">Whether the collection only reports.</param>
    /// <param name="untagged">The age of manifests without a tag that are removed, such as <c>7d</c>; null for none.</param>
    /// <param name="startedBy">The account, for the list of jobs.</param>
    public (string? Id, string? Problem) Start(bool isScrub, bool dryRun, string? untagged, string startedBy)
    {
        if (untagged is not null && !Durations.TryParse(untagged, out _))
            return (null, $"untagged: expected a duration such as 30d, got '{Printed(untagged)}'");
        try
        {
            var request = isScrub
                ? JsonSerializer.SerializeToElement(new(), AdminJson.Default.EmptyRequest)
                : JsonSerializer.SerializeToElement(new GcRequest(dryRun, untagged), AdminJson.Default.GcRequest);
            return (jobs.Start(isScrub ? ScrubJob.Kind : GcJob.Kind, request, startedBy).Id, null);
        }
        catch (JobRunningException e)
        {
            return (null, e.Message);
        }
    }

    private async Task StartAsync<T>(HttpContext context, string kind, T request, JsonTypeInfo<T> type, string subject)
    {
        context.Features.Set(new AdminSubject(subject));
        try
        {
            var job = jobs.Start(kind, JsonSerializer.SerializeToElement(request, type), "operator");
            context.Features.Set(new AdminSubject($"{subject} ({job.Id})"));
            await AdminApi.WriteAsync(context, StatusCodes.Status202Accepted, job, AdminJson.Default.Job);
        }
        catch (JobRunningException e)
        {
            await AdminApi.ProblemAsync(context, StatusCodes.Status409Conflict, e.Message);
        }
    }

    private static string Printed(string text) => Gateway.Oci.Printable.Line(text, 80);
}
