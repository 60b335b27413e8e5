using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary>
/// <c>/api/v1</c> on the operator port, with the same commands as the command line. <see cref="OperatorDoor"/> decides who is admitted. A
/// request that changes something must have the content type JSON, which no web page can make a browser send here.
/// </summary>
internal sealed class AdminApi
{
    public const string Prefix = "/api/v1/";

    // Bytes of a thousand long references.
    private const int MaxBody = 1 << 20;

    private readonly Dictionary<string, AdminEndpoint> _byPath;

    public AdminApi(IEnumerable<IAdminNoun> nouns)
    {
        AdminEndpoint[] endpoints = [.. nouns.SelectMany(static noun => noun.Endpoints)];
        var document = new Lazy<JsonObject>(() => OpenApiDocument.Of(endpoints.Select(static endpoint => endpoint.Call)));
        _byPath = endpoints.Append(AdminCalls.OpenApi.By((_, _) => new(document.Value)))
            .ToDictionary(static endpoint => endpoint.Call.Path, StringComparer.Ordinal);
    }

    /// <summary>The event of a request in the audit log.</summary>
    public string EventOf(string path) => Find(path)?.Call.Event ?? "admin";

    /// <summary>Answers a request below <see cref="Prefix"/>.</summary>
    public Task AnswerAsync(HttpContext context)
    {
        if (Find(context.Request.Path.Value!) is not var (call, answer))
        {
            var problem = $"unknown path; expected GET {PathsOf("GET")}, or POST {PathsOf("POST")} below {Prefix}";
            return ProblemAsync(context, StatusCodes.Status404NotFound, problem);
        }
        return context.Request.Method == call.Method
            ? answer(context)
            : ProblemAsync(context, StatusCodes.Status405MethodNotAllowed, $"expected {call.Method} for {call.Path}");
    }

    private AdminEndpoint? Find(string path)
    {
        var own = path[Prefix.Length..];
        return _byPath.GetValueOrDefault(own) ?? _byPath.GetValueOrDefault(AdminCall.WithoutId(own));
    }

    private string PathsOf(string method) =>
        string.Join(", ", _byPath.Values.Where(each => each.Call.Method == method).Select(static each => each.Call.Path));

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
[JsonSerializable(typeof(Statistics)), JsonSerializable(typeof(ForwardList))]
[JsonSerializable(typeof(ListedRepository)), JsonSerializable(typeof(ListedTag))]
[JsonSerializable(typeof(DeleteRequest)), JsonSerializable(typeof(DeleteResult))]
[JsonSerializable(typeof(PurgeRequest)), JsonSerializable(typeof(PurgeResult))]
[JsonSerializable(typeof(PrefetchRequest)), JsonSerializable(typeof(PrefetchOutcome))]
[JsonSerializable(typeof(PolicyQuestion)), JsonSerializable(typeof(PolicyExplained))]
[JsonSerializable(typeof(PolicyComparison)), JsonSerializable(typeof(PolicyChange))]
[JsonSerializable(typeof(HoldRequest)), JsonSerializable(typeof(HoldResult))]
[JsonSerializable(typeof(RollbackRequest)), JsonSerializable(typeof(RollbackResult))]
[JsonSerializable(typeof(Job)), JsonSerializable(typeof(GcRequest))]
[JsonSerializable(typeof(CollectionReport)), JsonSerializable(typeof(ScrubReport))]
[JsonSerializable(typeof(RestoreRequest)), JsonSerializable(typeof(RestoreResult))]
[JsonSerializable(typeof(TrashedItem)), JsonSerializable(typeof(EmptiedTrash))]
[JsonSerializable(typeof(EmptyRequest)), JsonSerializable(typeof(AdminProblem))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
internal sealed partial class AdminJson : JsonSerializerContext;
