using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.Configuration;

/// <summary>The JSON Schema 2020-12 of gateway.yaml, for editors.</summary>
internal static class SchemaDocument
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Write()
    {
        var document = new JsonObject { ["$schema"] = "https://json-schema.org/draft/2020-12/schema", ["title"] = "gateway.yaml" };
        foreach (var (keyword, value) in GatewaySchema.Root.ToJsonSchema()) document[keyword] = value?.DeepClone();
        return document.ToJsonString(Indented) + "\n";
    }
}
