using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.PullThrough;
using Gateway.Replicas;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Operations;

/// <summary>
/// <c>/api/v1</c> on the operator port, with the same commands as the command line. <see cref="OperatorDoor"/> decides who is admitted. A
/// request that changes something must have the content type JSON, which no web page can make a browser send here.
/// </summary>
/// <param name="current">The router in force, with its configuration.</param>
/// <param name="memory">Cleared after content was purged.</param>
/// <param name="news">Tells other replicas of a purge; null if this gateway is alone.</param>
internal sealed class AdminApi(
    ICurrent<RepositoryRouter> current,
    CachedRepositories cached,
    Eviction eviction,
    VolumeHealth storage,
    PolicyTrial trial,
    FetchTable fetches,
    UpstreamRegistries upstreams,
    ForwardQueue forwards,
    Totals totals,
    IUpstreamMemory memory,
    JobsApi jobs,
    TrashApi trash,
    HoldsApi holds,
    RollbackApi rollback,
    PagesApi pages,
    News? news = null)
{
    public const string Prefix = "/api/v1/";

    private const int DefaultTop = 10;

    // Bytes of a thousand long references.
    private const int MaxBody = 1 << 20;

    /// <summary>Answers a request below <see cref="Prefix"/>.</summary>
    public Task AnswerAsync(HttpContext context)
    {
        (string Method, Func<HttpContext, Task> Answer)? verb = context.Request.Path.Value switch
        {
            Prefix + "stats" => ("GET", StatsAsync),
            Prefix + "forwards" => ("GET", ForwardsAsync),
            Prefix + "repositories" => ("GET", RepositoriesAsync),
            Prefix + "tags" => ("GET", TagsAsync),
            Prefix + "delete" => ("POST", DeleteAsync),
            Prefix + "purge" => ("POST", PurgeAsync),
            Prefix + "prefetch" => ("POST", PrefetchAsync),
            Prefix + PolicyTrial.ExplainPath => ("POST", ExplainAsync),
            Prefix + PolicyTrial.DiffPath => ("POST", DiffAsync),
            var path => jobs.Find(path ?? "") ?? trash.Find(path ?? "") ?? holds.Find(path ?? "") ?? rollback.Find(path ?? "")
                ?? pages.Find(path ?? ""),
        };
        if (verb is not var (method, answer))
        {
            const string Verbs = "GET stats, forwards, repositories, tags, jobs, trash and pages/…, "
                + "and POST gc, scrub, trash/restore, trash/empty, purge, prefetch, delete, rollback, holds/release, holds/drop, "
                + "policy/explain and policy/diff";
            return ProblemAsync(context, StatusCodes.Status404NotFound, $"unknown path; expected {Verbs} below {Prefix}");
        }
        if (context.Request.Method == method) return answer(context);
        const string Methods = "expected GET for stats, forwards, repositories, tags, jobs and trash, and POST for all others";
        return ProblemAsync(context, StatusCodes.Status405MethodNotAllowed, Methods);
    }

    private Task ForwardsAsync(HttpContext context) =>
        WriteAsync(context, StatusCodes.Status200OK, ForwardList.Of(forwards, current.Value), AdminJson.Default.ForwardList);

    private async Task ExplainAsync(HttpContext context)
    {
        if (await ReadAsync(context, AdminJson.Default.PolicyQuestion) is not { } question) return;
        var explained = await trial.ExplainAsync(current.Value.Options, question, context.RequestAborted);
        await WriteAsync(context, StatusCodes.Status200OK, explained, AdminJson.Default.PolicyExplained);
    }

    // A line of JSON for each change, as it is found.
    private async Task DiffAsync(HttpContext context)
    {
        if (await ReadAsync(context, AdminJson.Default.PolicyComparison) is not { } comparison) return;
        if (comparison.Problem is { } problem)
        {
            await ProblemAsync(context, StatusCodes.Status400BadRequest, problem);
            return;
        }
        var changes = trial.DiffAsync(current.Value.Options, comparison, context.RequestAborted);
        await WriteLinesAsync(context, changes, AdminJson.Default.PolicyChange);
    }

    private async Task StatsAsync(HttpContext context)
    {
        var router = current.Value;
        var options = router.Options;
        var top = int.TryParse(context.Request.Query["top"], NumberStyles.None, CultureInfo.InvariantCulture, out var asked)
            ? Math.Min(asked, Statistics.MaxTop)
            : DefaultTop;
        await eviction.Counted.WaitAsync(context.RequestAborted);
        var repositories = await Task.Run(() => Statistics.Top(cached, router, top, context.RequestAborted));
        await WriteAsync(context, StatusCodes.Status200OK, new Statistics(
            Statistics.CacheOf(eviction, storage, options.Cache, fetches.Count),
            Statistics.RequestsOf(totals),
            [.. options.Upstreams.Values.Select(each => Statistics.UpstreamOf(totals, each, upstreams.RateLimitRemaining(each.Key)))],
            repositories), AdminJson.Default.Statistics);
    }

    private async Task PurgeAsync(HttpContext context)
    {
        if (await ReadAsync(context, AdminJson.Default.PurgeRequest) is not { } request) return;
        context.Features.Set(new AdminSubject(request.DryRun ? $"{request.What} (dry run)" : request.What));
        var result = await Purge.RunAsync(cached, current.Value, request, context.RequestAborted);
        // What another replica heard of a tag can be remembered here, although nothing of it is cached.
        if (!request.DryRun && (result.Purged.Count > 0 || news is not null)) await memory.ForgetAsync();
        if (!request.DryRun && news is not null)
        {
            result = result with
            {
                Unconfirmed = await news.TellAsync(request.What, context.RequestAborted),
                Problem = result.Problem is { } none ? $"{none}; the other replicas purge what they have of it" : null,
            };
        }
        var status = result.Problem is null ? StatusCodes.Status200OK : StatusCodes.Status404NotFound;
        await WriteAsync(context, status, result, AdminJson.Default.PurgeResult);
    }

    // A line of JSON for each reference when it is cached; a client that disconnects ends the prefetch.
    private async Task PrefetchAsync(HttpContext context)
    {
        if (await ReadAsync(context, AdminJson.Default.PrefetchRequest) is not { } request) return;
        context.Features.Set(new AdminSubject($"prefetch {string.Join(' ', request.References)}"));
        if (request.References.Count is 0 or > ImagePrefetch.MaxReferences)
        {
            await ProblemAsync(context, StatusCodes.Status400BadRequest, $"expected 1 to {ImagePrefetch.MaxReferences} references");
            return;
        }
        await WriteLinesAsync(
            context, ImagePrefetch.RunAsync(current.Value, request, context.RequestAborted), AdminJson.Default.PrefetchOutcome);
    }

    // A line of JSON for each repository.
    private Task RepositoriesAsync(HttpContext context)
    {
        var router = current.Value;
        var names = StoredNames.RepositoriesAsync(cached, router.Options, router, context.RequestAborted);
        return WriteLinesAsync(context, names, AdminJson.Default.ListedRepository);
    }

    // A line of JSON for each tag, or a problem.
    private async Task TagsAsync(HttpContext context)
    {
        var name = context.Request.Query["repository"].ToString();
        var listed = await StoredNames.TagsAsync(current.Value, name, context.RequestAborted);
        await (listed.Tags is { } tags
            ? WriteLinesAsync(context, tags, AdminJson.Default.ListedTag)
            : ProblemAsync(context, listed.Status, listed.Problem));
    }

    private async Task DeleteAsync(HttpContext context)
    {
        if (await ReadAsync(context, AdminJson.Default.DeleteRequest) is not { } request) return;
        context.Features.Set(new AdminSubject(request.Reference));
        var result = await StoredNames.DeleteAsync(current.Value, request, context.RequestAborted);
        var status = result.Problem is null ? StatusCodes.Status200OK : StatusCodes.Status404NotFound;
        await WriteAsync(context, status, result, AdminJson.Default.DeleteResult);
    }

    internal static async Task<T?> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type) where T : class
    {
        var request = context.Request;
        if (request.ContentType?.Split(';')[0].Trim() != "application/json")
        {
            await ProblemAsync(context, StatusCodes.Status415UnsupportedMediaType, "expected a body of content type application/json");
            return null;
        }
        try
        {
            var body = new byte[MaxBody + 1];
            var length = await request.Body.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, context.RequestAborted);
            if (length <= MaxBody && JsonSerializer.Deserialize(body.AsSpan(0, length), type) is { } read) return read;
            await ProblemAsync(context, StatusCodes.Status400BadRequest, $"expected a JSON object of at most {MaxBody} bytes");
        }
        catch (JsonException problem)
        {
            // The parser's own message contains type names.
            var place = problem.Path is { Length: > 0 } path ? $" at {path}" : "";
            const string Expected = "expected the JSON object that docs/operations.md shows for this path";
            await ProblemAsync(context, StatusCodes.Status400BadRequest, $"{Expected}, got something else{place}");
        }
        return null;
    }

    // Items are written as they are found, because a list can be too long to wait for.
    internal static async Task WriteLinesAsync<T>(HttpContext context, IAsyncEnumerable<T> items, JsonTypeInfo<T> type)
    {
        context.Response.ContentType = "application/x-ndjson";
        context.Response.Headers.CacheControl = "no-store";
        await foreach (var item in items)
        {
            await context.Response.BodyWriter.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(item, type), context.RequestAborted);
            await context.Response.BodyWriter.WriteAsync("\n"u8.ToArray(), context.RequestAborted);
        }
    }

    internal static Task ProblemAsync(HttpContext context, int status, string problem) =>
        WriteAsync(context, status, new AdminProblem(problem), AdminJson.Default.AdminProblem);

    internal static async Task WriteAsync<T>(HttpContext context, int status, T value, JsonTypeInfo<T> type)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        var response = context.Response;
        (response.StatusCode, response.ContentType, response.ContentLength) = (status, "application/json", body.Length);
        response.Headers.CacheControl = "no-store";
        await response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }
}

/// <summary>The subject of an operator's request, for the audit log.</summary>
internal sealed record AdminSubject(string Text);

/// <param name="Problem">The problem, in one sentence.</param>
internal sealed record AdminProblem(string Problem);

/// <summary>The JSON documents of the admin API.</summary>
[JsonSerializable(typeof(Statistics))]
[JsonSerializable(typeof(ForwardList))]
[JsonSerializable(typeof(PurgeRequest))]
[JsonSerializable(typeof(PurgeResult))]
[JsonSerializable(typeof(PrefetchRequest))]
[JsonSerializable(typeof(PrefetchOutcome))]
[JsonSerializable(typeof(PolicyQuestion))]
[JsonSerializable(typeof(PolicyExplained))]
[JsonSerializable(typeof(PolicyComparison))]
[JsonSerializable(typeof(PolicyChange))]
[JsonSerializable(typeof(ListedRepository))]
[JsonSerializable(typeof(ListedTag))]
[JsonSerializable(typeof(DeleteRequest))]
[JsonSerializable(typeof(DeleteResult))]
[JsonSerializable(typeof(HoldRequest))]
[JsonSerializable(typeof(HoldResult))]
[JsonSerializable(typeof(RollbackRequest))]
[JsonSerializable(typeof(RollbackResult))]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(GcRequest))]
[JsonSerializable(typeof(EmptyRequest))]
[JsonSerializable(typeof(ScrubReport))]
[JsonSerializable(typeof(TrashedItem))]
[JsonSerializable(typeof(RestoreRequest))]
[JsonSerializable(typeof(RestoreResult))]
[JsonSerializable(typeof(EmptiedTrash))]
[JsonSerializable(typeof(CollectionReport))]
[JsonSerializable(typeof(AdminProblem))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
internal sealed partial class AdminJson : JsonSerializerContext;
