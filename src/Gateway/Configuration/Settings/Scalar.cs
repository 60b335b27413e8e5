using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;

namespace Gateway.Configuration;

/// <summary>The result of parsing one written value: the value, or the problem.</summary>
/// <param name="Problem">Null if the value is valid.</param>
internal readonly record struct Parsed<T>(T Value, string? Problem)
{
    public static implicit operator Parsed<T>(T value) => new(value, null);

    public static Parsed<T> Not(string problem = "") => new(default!, problem);
}

/// <summary>One value.</summary>
/// <param name="expected">In words.</param>
/// <param name="parse">Parses the text; an empty problem means only "not as expected".</param>
/// <param name="schema">JSON Schema; null for any string.</param>
internal sealed class Scalar<T>(string expected, Func<string, Reading, Parsed<T>> parse, JsonObject? schema = null) : SettingType<T>
{
    public override string Expected => expected;

    public override bool TakesScalar => true;

    public override bool IsSecret => Hides;

    /// <summary>Whether the value is a secret.</summary>
    public bool Hides { get; init; }

    public override bool TryRead(ConfigurationNode node, string path, Reading reading, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (node is not ScalarNode { IsNull: false } scalar)
        {
            reading.Add(node.Location, path, $"expected {expected}, got {node.Kind}");
            return false;
        }
        var parsed = parse(scalar.Value, reading);
        value = parsed.Value!;
        if (parsed.Problem is null) return true;
        var why = parsed.Problem.Length > 0 ? $": {parsed.Problem}" : "";
        reading.Add(node.Location, path, $"expected {expected}, {Received(scalar.Value)}{why}");
        return false;
    }

    public override JsonObject ToJsonSchema() => (JsonObject?)schema?.DeepClone() ?? new() { ["type"] = "string" };

    // Shows the written value, unless it may contain a secret.
    private string Received(string text)
    {
        if (Secrets.IsPrivateKey(text)) return "got a private key";
        if (IsSecret || text.AsSpan().ContainsAny('@', '?')) return "got something else";
        return $"got '{(text.Length > 80 ? text[..80] + "…" : text)}'";
    }
}
