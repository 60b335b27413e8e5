using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;

namespace Gateway.Operations;

/// <summary>
/// The OpenAPI document of the admin API. Its schemas are made from the types that are written, so that they cannot differ from the
/// answers.
/// </summary>
internal static class OpenApiDocument
{
    private const string Json = "application/json";
    private const string Lines = "application/x-ndjson";

    public static JsonObject Of(IEnumerable<AdminCall> calls)
    {
        var (paths, schemas) = (new JsonObject(), new JsonObject());
        foreach (var call in calls)
        {
            var operation = new JsonObject
            {
                ["summary"] = call.Summary,
                ["parameters"] = new JsonArray([.. call.Query.Select(name => ParameterOf(name, "query")), .. IdOf(call)]),
                ["responses"] = new JsonObject
                {
                    ["200"] = new JsonObject
                    {
                        ["description"] = "The answer", ["content"] = ContentOf(call.HasLines ? Lines : Json, call.Answer, schemas),
                    },
                    ["default"] = new JsonObject
                    {
                        ["description"] = "A problem", ["content"] = ContentOf(Json, AdminJson.Default.AdminProblem, schemas),
                    },
                },
            };
            if (call.Body is { } body) operation["requestBody"] = new JsonObject { ["content"] = ContentOf(Json, body, schemas) };
            paths[call.Address] = new JsonObject { [call.Method.ToLowerInvariant()] = operation };
        }
        return new()
        {
            ["openapi"] = "3.1.0", ["info"] = new JsonObject { ["title"] = "Gateway: the admin API", ["version"] = BuildInfo.Version },
            ["paths"] = paths, ["components"] = new JsonObject { ["schemas"] = schemas },
        };
    }

    private static IEnumerable<JsonNode> IdOf(AdminCall call) => call.Path.Contains("{id}") ? [ParameterOf("id", "path")] : [];

    private static JsonObject ParameterOf(string name, string place) => new()
    {
        ["name"] = name, ["in"] = place, ["required"] = place == "path", ["schema"] = new JsonObject { ["type"] = "string" },
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
