using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Configuration;
using Gateway.Operations.ReadModels;

namespace Gateway.Operations;

/// <summary>The options of <c>gateway gc</c>.</summary>
/// <param name="DryRun">Only report what would be removed.</param>
/// <param name="Untagged">
/// A duration such as <c>30d</c>: manifests that nothing refers to are removed too, if they were pushed longer ago than that. Null: they
/// stay.
/// </param>
internal sealed record GcRequest(bool DryRun = false, string? Untagged = null);

/// <summary>The jobs in the admin API: starting, following and stopping them.</summary>
internal sealed class JobsApi(Jobs jobs, UpkeepPages page) : IAdminNoun
{
    public IEnumerable<AdminEndpoint> Endpoints =>
    [
        AdminCalls.UpkeepPage.By((_, _) => new(page.Read())),
        AdminCalls.Jobs.By(_ => jobs.All().ToAsyncEnumerable()),
        new(AdminCalls.Job, ShowAsync),
        new(AdminCalls.StopJob, StopAsync),
        AdminCalls.Gc.By(CollectAsync),
        AdminCalls.Scrub.By((context, request) =>
            StartAsync(context, ScrubJob.Kind, request, AdminJson.Default.EmptyRequest, ScrubJob.Kind)),
    ];

    private Task ShowAsync(HttpContext context) => jobs.Find(IdOf(context)) is { } job
        ? AdminApi.WriteAsync(context, StatusCodes.Status200OK, job, AdminJson.Default.Job)
        : UnknownAsync(context);

    private async Task StopAsync(HttpContext context)
    {
        var id = IdOf(context);
        context.Features.Set(new AdminSubject($"stop {id}"));
        // The command line sends the options of a collection here, all of them empty.
        if (await AdminApi.ReadAsync(context, AdminJson.Default.GcRequest) is null) return;
        await (await jobs.StopJobAsync(id) is { } job
            ? AdminApi.WriteAsync(context, StatusCodes.Status200OK, job, AdminJson.Default.Job)
            : UnknownAsync(context));
    }

    private static string IdOf(HttpContext context) => context.Request.Path.Value![AdminApi.Prefix.Length..].Split('/')[1];

    private static Task UnknownAsync(HttpContext context) =>
        AdminApi.ProblemAsync(context, StatusCodes.Status404NotFound, "expected the id of a known job; list them with: gateway jobs");

    private Task CollectAsync(HttpContext context, GcRequest request) => ProblemOf(request.Untagged) is { } problem
        ? AdminApi.ProblemAsync(context, StatusCodes.Status400BadRequest, problem)
        : StartAsync(context, GcJob.Kind, request, AdminJson.Default.GcRequest, request.DryRun ? "gc (dry run)" : "gc");

    /// <summary>Starts a scrub, or a collection: the id of the job, or why it was not started.</summary>
    /// <param name="dryRun">Whether the collection only reports.</param>
    /// <param name="untagged">The age of manifests without a tag that are removed, such as <c>7d</c>; null for none.</param>
    /// <param name="startedBy">The account, for the list of jobs.</param>
    public (string? Id, string? Problem) Start(bool isScrub, bool dryRun, string? untagged, string startedBy)
    {
        if (ProblemOf(untagged) is { } problem) return (null, problem);
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

    private static string? ProblemOf(string? untagged) => untagged is null || Durations.TryParse(untagged, out _)
        ? null
        : $"untagged: expected a duration such as 30d, got '{Gateway.Oci.Printable.Line(untagged, 80)}'";
}
