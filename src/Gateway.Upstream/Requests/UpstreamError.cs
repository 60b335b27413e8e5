using System.Text.Json;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>The error of an upstream that refused a request (distribution-spec, "Error Codes"). Code and message are printable.</summary>
/// <param name="Code">The code, such as <c>SIZE_INVALID</c>, at most 40 characters; empty if the upstream sent none.</param>
/// <param name="Message">The message in one line, at most 300 characters; empty if the upstream sent none.</param>
public sealed record UpstreamError(string Code, string Message)
{
    // In characters. Chosen: the longest code of the specification has 21.
    private const int LongestCode = 40;

    // In characters. Chosen: two messages fit into a header.
    private const int LongestMessage = 300;

    /// <summary>The first error of <c>{"errors":[{"code":…,"message":…}]}</c>; null if the body does not have this form.</summary>
    internal static UpstreamError? Read(ReadOnlyMemory<byte> body)
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

    /// <summary>The text for messages: <c>SIZE_INVALID "too large"</c>.</summary>
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
