using System.Text.Json;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>What an upstream said about a refusal (distribution-spec, "Error Codes"): one printable line each, bounded.</summary>
/// <param name="Code">Its code, as <c>SIZE_INVALID</c>; empty where it said none.</param>
/// <param name="Message">Its message; empty where it said none.</param>
public sealed record UpstreamError(string Code, string Message)
{
    // The longest code of the specification has 21.
    private const int LongestCode = 40;

    // Chosen: two of them fit into a header.
    private const int LongestMessage = 300;

    /// <summary>The first error of <c>{"errors":[{"code":…,"message":…}]}</c>; null where the body is no such thing.</summary>
    public static UpstreamError? Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var first = document.RootElement.GetProperty("errors")[0];
            var error = new UpstreamError(Text(first, "code", LongestCode), Text(first, "message", LongestMessage));
            return error is { Code: "", Message: "" } ? null : error;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or IndexOutOfRangeException)
        {
            return null;
        }
    }

    /// <summary>As it stands in messages: <c>SIZE_INVALID "too large"</c>.</summary>
    public override string ToString() => (Code, Message) switch
    {
        (_, "") => Code,
        ("", _) => $"\"{Message}\"",
        _ => $"{Code} \"{Message}\"",
    };

    private static string Text(JsonElement error, string name, int longest) =>
        error.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? Printable.Line(value.GetString() ?? "", longest).Replace('"', '\'')
            : "";
}
