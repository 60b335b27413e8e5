using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gateway.WebConsole;

/// <summary>JSON for people: indented, and with as few escapes as possible. The page escapes it for HTML.</summary>
internal static class PrettyJson
{
    public static JsonSerializerOptions Options { get; } =
        new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
