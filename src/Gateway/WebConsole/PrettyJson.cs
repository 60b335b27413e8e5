using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gateway.WebConsole;

/// <summary>JSON for people: indented, and with as few escapes as possible. The page escapes it for HTML.</summary>
internal static class PrettyJson
{
    private static readonly JsonSerializerOptions Options =
        new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The document, indented; the text itself when it is no JSON.</summary>
    public static string Of(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return JsonSerializer.Serialize(document.RootElement, Options);
        }
        catch (JsonException)
        {
            return json;
        }
    }
}
