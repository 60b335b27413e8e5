using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;

namespace Gateway.Operations;

/// <summary>
/// The OpenAPI document of the admin API: <c>GET /api/v1/openapi.json</c>. Its schemas are made from the types that are written, so that
/// they cannot differ from the answers.
/// </summary>
internal static class OpenApiDocument
{
    public const string Path = AdminApi.Prefix + "openapi.json";

    private const string Json = "application/json";
    private const string Lines = "application/x-ndjson";

    private sealed record Call(string Method, string Path, string Summary, JsonTypeInfo Answer)
    {
        public string[] Query { get; init; } = [];

        public JsonTypeInfo? Body { get; init; }

        public string Type { get; init; } = Json;
    }

    private static readonly Call[] Calls =
    [
        new("get", "stats", "Cache, requests, upstreams, largest repositories", AdminJson.Default.Statistics) { Query = ["top"] },
        new("get", "forwards", "Pushes that are not forwarded yet", AdminJson.Default.ForwardList),
        new("get", "repositories", "Every repository, a line for each", AdminJson.Default.ListedRepository) { Type = Lines },
        new("get", "tags", "The tags of a repository, a line for each", AdminJson.Default.ListedTag)
        {
            Query = ["repository"], Type = Lines,
        },
        new("post", "delete", "Deletes a tag or manifest", AdminJson.Default.DeleteResult) { Body = AdminJson.Default.DeleteRequest },
        new("post", "purge", "Removes cached content", AdminJson.Default.PurgeResult) { Body = AdminJson.Default.PurgeRequest },
        new("post", "holds/release", "Releases a held push", AdminJson.Default.HoldResult) { Body = AdminJson.Default.HoldRequest },
        new("post", "holds/drop", "Drops a held push", AdminJson.Default.HoldResult) { Body = AdminJson.Default.HoldRequest },
        new("post", "rollback", "Binds a tag to a manifest that its repository has", AdminJson.Default.RollbackResult)
        {
            Body = AdminJson.Default.RollbackRequest,
        },
        new("post", "trash/restore", "Brings back manifests from the trash", AdminJson.Default.RestoreResult)
        {
            Body = AdminJson.Default.RestoreRequest,
        },
        new("post", "policy/explain", "What the policy says of stored content", AdminJson.Default.PolicyExplained)
        {
            Body = AdminJson.Default.PolicyQuestion,
        },
        new("get", "pages/overview", "The page Overview", PageJson.Default.OverviewPage) { Query = ["window"] },
        new("get", "pages/repositories", "The page Repositories", PageJson.Default.RepositoryPage)
        {
            Query = ["search", "source", "sort", "last", "n"],
        },
        new("get", "pages/tags", "The page Tags", PageJson.Default.TagPage)
        {
            Query = ["repository", "search", "type", "signature", "platform", "olderThan", "sort", "last", "n"],
        },
        new("get", "pages/image", "The page of one manifest", PageJson.Default.ImagePage) { Query = ["repository", "reference"] },
        new("get", "pages/deletion", "What deleting some tags frees", PageJson.Default.DeletionPlan) { Query = ["repository", "tag"] },
        new("get", "pages/rollback", "What a rollback of a tag does", PageJson.Default.RollbackPlan)
        {
            Query = ["repository", "tag", "digest"],
        },
        new("post", "policy/diff", "What another policy would change, a line for each tag", AdminJson.Default.PolicyChange)
        {
            Body = AdminJson.Default.PolicyComparison, Type = Lines,
        },
        new("get", "pages/configuration", "The page Configuration", PageJson.Default.ConfigurationPage) { Query = ["search"] },
        new("get", "pages/tree", "A level of the tree of repositories", PageJson.Default.TreePage) { Query = ["under", "last"] },
        new("get", "pages/layers", "The repositories that have layers of an image", PageJson.Default.LayerUsePage)
        {
            Query = ["repository", "reference", "last"],
        },
        new("get", "pages/trash", "The page Trash", PageJson.Default.TrashPage) { Query = ["search", "last"] },
        new("get", "trash", "Everything in the trash, a line for each", AdminJson.Default.TrashedItem) { Type = Lines },
        new("get", "pages/holds", "The page Held pushes", PageJson.Default.HoldPage) { Query = ["repository", "last"] },
        new("get", "pages/policy", "The page Policy", PageJson.Default.PolicyPage) { Query = ["search", "reference", "stage", "as"] },
        new("get", "pages/activity", "The page Activity", PageJson.Default.ActivityPage) { Query = ["event", "actor"] },
        new("get", "pages/upkeep", "The page Upkeep", PageJson.Default.UpkeepPage),
        new("get", "pages/replicas", "The page Replicas", PageJson.Default.ReplicaPage),
    ];

    private static readonly Lazy<JsonObject> Document = new(Make);

    public static Task AnswerAsync(HttpContext context) =>
        AdminApi.WriteAsync(context, StatusCodes.Status200OK, Document.Value, PageJson.Default.JsonObject);

    private static JsonObject Make()
    {
        var (paths, schemas) = (new JsonObject(), new JsonObject());
        foreach (var call in Calls)
        {
            var operation = new JsonObject
            {
                ["summary"] = call.Summary,
                ["parameters"] = new JsonArray([.. call.Query.Select(ParameterOf)]),
                ["responses"] = new JsonObject
                {
                    ["200"] = new JsonObject { ["description"] = "The answer", ["content"] = ContentOf(call.Type, call.Answer, schemas) },
                    ["default"] = new JsonObject
                    {
                        ["description"] = "A problem", ["content"] = ContentOf(Json, AdminJson.Default.AdminProblem, schemas),
                    },
                },
            };
            if (call.Body is { } body) operation["requestBody"] = new JsonObject { ["content"] = ContentOf(Json, body, schemas) };
            paths[AdminApi.Prefix + call.Path] = new JsonObject { [call.Method] = operation };
        }
        return new()
        {
            ["openapi"] = "3.1.0", ["info"] = new JsonObject { ["title"] = "Gateway: the admin API", ["version"] = BuildInfo.Version },
            ["paths"] = paths, ["components"] = new JsonObject { ["schemas"] = schemas },
        };
    }

    private static JsonNode ParameterOf(string name) => new JsonObject
    {
        ["name"] = name, ["in"] = "query", ["schema"] = new JsonObject { ["type"] = "string" },
    };

    private static JsonObject ContentOf(string type, JsonTypeInfo info, JsonObject schemas)
    {
        var name = info.Type.Name;
        if (!schemas.ContainsKey(name))
        {
            var schema = info.GetJsonSchemaAsNode(new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true });
            Rebase(schema, $"#/components/schemas/{name}");
            schemas[name] = schema;
        }
        var reference = new JsonObject { ["$ref"] = $"#/components/schemas/{name}" };
        return new() { [type] = new JsonObject { ["schema"] = reference } };
    }

    // References within a schema count from its own root; in the document it is deeper.
    private static void Rebase(JsonNode? node, string root)
    {
        if (node is JsonArray items)
        {
            foreach (var item in items) Rebase(item, root);
        }
        if (node is not JsonObject members) return;
        if (members["$ref"] is JsonValue reference) members["$ref"] = root + ((string)reference!)[1..];
        foreach (var (_, member) in members.ToArray()) Rebase(member, root);
    }
}
