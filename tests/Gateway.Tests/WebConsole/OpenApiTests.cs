using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>The OpenAPI document against the real answers.</summary>
public sealed class OpenApiTests
{
    [Fact]
    public async Task Every_answer_has_the_form_that_the_document_states()
    {
        await using var rig = await GatewayRig.StartAsync();
        var digest = await rig.PushManifestAsync("team/app", "v1");
        var document = JsonNode.Parse(await rig.Client.GetStringAsync(new Uri(rig.Operator, "/api/v1/openapi.json")))!;
        (await rig.SendAsync("DELETE", $"/v2/team/app/manifests/{await rig.PushManifestAsync("team/app", "old")}")).Dispose();
        await rig.PushManifestAsync("team/app", "v1");
        var query = $"?repository=team/app&reference=v1&tag=v1&digest={digest}";

        var asked = 0;
        foreach (var (path, methods) in document["paths"]!.AsObject())
        {
            if (methods!["get"] is not { } operation) continue;
            var text = await rig.Client.GetStringAsync(new Uri(rig.Operator, path + query));
            var (type, content) = operation["responses"]!["200"]!["content"]!.AsObject().Single();
            string[] documents = type == "application/x-ndjson" ? text.Split('\n', StringSplitOptions.RemoveEmptyEntries) : [text];
            foreach (var each in documents) Check(document, content!["schema"]!, JsonNode.Parse(each), path);
            asked++;
        }
        Assert.Equal(20, asked);
    }

    private static void Check(JsonNode document, JsonNode schema, JsonNode? value, string place)
    {
        if (schema["$ref"] is { } reference)
        {
            var target = ((string)reference!)[2..].Split('/').Aggregate(document, static (at, part) => at is JsonArray list
                ? list[int.Parse(part, System.Globalization.CultureInfo.InvariantCulture)]! : at[part]!);
            Check(document, target, value, place);
            return;
        }
        if (schema["type"] is { } type)
        {
            string[] types = type is JsonArray all ? [.. all.Select(t => (string)t!)] : [(string)type!];
            Assert.Contains(KindOf(value), types.SelectMany(t => t == "number" ? new[] { t, "integer" } : [t]));
        }
        if (value is JsonArray items && schema["items"] is { } each)
        {
            foreach (var (i, item) in items.Index()) Check(document, each, item, $"{place}[{i}]");
        }
        if (value is not JsonObject members || schema["properties"] is not JsonObject properties) return;
        foreach (var (name, member) in members)
        {
            Assert.True(properties.ContainsKey(name), $"{place}.{name} is not in the document");
            if (properties[name] is JsonObject own) Check(document, own, member, $"{place}.{name}");
        }
        foreach (var required in schema["required"]?.AsArray() ?? [])
            Assert.True(members.ContainsKey((string)required!), $"{place}.{required} is missing");
    }

    private static string KindOf(JsonNode? value) => value?.GetValueKind() switch
    {
        JsonValueKind.Object => "object", JsonValueKind.Array => "array", JsonValueKind.String => "string",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        JsonValueKind.Number => value.ToJsonString().AsSpan().ContainsAny('.', 'e', 'E') ? "number" : "integer",
        _ => "null",
    };
}
