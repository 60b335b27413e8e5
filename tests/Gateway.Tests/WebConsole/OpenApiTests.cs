using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Operations;
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
        using var started = await rig.Client.PostAsync(
            new Uri(rig.Operator, "/api/v1/gc"), new StringContent("{\"dryRun\":true}", Encoding.UTF8, "application/json"));
        var job = (string)JsonNode.Parse(await started.Content.ReadAsStringAsync())!["id"]!;
        var query = $"?repository=team/app&reference=v1&tag=v1&digest={digest}";

        var asked = 0;
        foreach (var (path, methods) in document["paths"]!.AsObject())
        {
            if (methods!["get"] is not { } operation) continue;
            var text = await rig.Client.GetStringAsync(new Uri(rig.Operator, path.Replace("{id}", job, StringComparison.Ordinal) + query));
            var (type, content) = operation["responses"]!["200"]!["content"]!.AsObject().Single();
            string[] documents = type == "application/x-ndjson" ? text.Split('\n', StringSplitOptions.RemoveEmptyEntries) : [text];
            foreach (var each in documents) Check(document, content!["schema"]!, JsonNode.Parse(each), path);
            asked++;
        }
        Assert.Equal(22, asked);
    }

    [Fact]
    public async Task Document_has_every_call_of_the_table_and_each_is_answered()
    {
        await using var rig = await GatewayRig.StartAsync();
        AdminCall[] calls =
        [
            .. typeof(AdminCalls).GetFields(BindingFlags.Public | BindingFlags.Static)
                .Select(static field => (AdminCall)field.GetValue(null)!),
        ];
        var document = JsonNode.Parse(await rig.Client.GetStringAsync(new Uri(rig.Operator, AdminCalls.OpenApi.Address)))!;

        var described = document["paths"]!.AsObject()
            .Select(static path => $"{path.Value!.AsObject().Single().Key.ToUpperInvariant()} {path.Key}");
        Assert.Equal(
            calls.Where(static call => call != AdminCalls.OpenApi).Select(static call => $"{call.Method} {call.Address}").ToHashSet(),
            described.ToHashSet());
        foreach (var call in calls)
        {
            using var other = await rig.Client.SendAsync(new(HttpMethod.Put, new Uri(rig.Operator, call.Address)));
            var problem = (string)JsonNode.Parse(await other.Content.ReadAsStringAsync())!["problem"]!;
            Assert.Equal((405, $"expected {call.Method} for {call.Path}"), ((int)other.StatusCode, problem));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("nothing")]
    [InlineData("pages/nothing")]
    [InlineData("jobs/1/nothing")]
    [InlineData("jobs/1/stop/")]
    [InlineData("stats/")]
    public async Task Unknown_path_is_answered_with_the_known_ones(string path)
    {
        await using var rig = await GatewayRig.StartAsync();

        using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, AdminApi.Prefix + path));

        var problem = (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["problem"]!;
        Assert.Equal(404, (int)answer.StatusCode);
        Assert.StartsWith("unknown path; expected GET ", problem, StringComparison.Ordinal);
        Assert.All(
            (string[])["stats", "jobs/{id}", "pages/tags", "holds/release"],
            known => Assert.Contains(known, problem, StringComparison.Ordinal));
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
