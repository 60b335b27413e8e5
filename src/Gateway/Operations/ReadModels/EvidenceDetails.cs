using System.Globalization;
using System.Text.Json;
using Gateway.Policy.Signatures;
using Gateway.Repositories;

namespace Gateway.Operations.ReadModels;

/// <summary>
/// Reads what evidence says about itself, for display only: the number of packages, the builder, the entry in a transparency log. None of
/// it is verified here; the policy's answer beside it says what counts.
/// </summary>
internal static class EvidenceDetails
{
    /// <summary>
    /// Maximum size of a document that is read. Chosen: few SBOMs are larger; one that is larger is listed without its number of packages.
    /// </summary>
    public const int MostBytes = 2 << 20;

    private const int MostText = 200;

    // Annotation of a layer that cosign 2 writes.
    private const string OlderBundle = "dev.sigstore.cosign/bundle";

    /// <param name="Text">What it contains; null for nothing in particular.</param>
    /// <param name="LogIndex">The number of its log entry; null for none.</param>
    /// <param name="LoggedAt">The time of that entry; null for none.</param>
    internal readonly record struct Details(string? Text, long? LogIndex, DateTimeOffset? LoggedAt);

    /// <summary>The size of the document that must be read for the details; 0 when no document is read.</summary>
    public static long CostOf(Manifest manifest, ContentKind kind) =>
        Reads(kind) && manifest.Layers is [var layer, ..] && layer.Size <= MostBytes && !layer.Annotations.ContainsKey(OlderBundle)
            ? layer.Size
            : 0;

    /// <summary>Reads the first layer of some evidence; nothing when it cannot be read.</summary>
    public static async ValueTask<Details> ReadAsync(
        Inspection inspection, Manifest manifest, ContentKind kind, CancellationToken cancellationToken)
    {
        if (!Reads(kind) || manifest.Layers is not [var layer, ..]) return default;
        try
        {
            if (layer.Annotations.GetValueOrDefault(OlderBundle) is { } older) return OfOlderBundle(older);
            if (layer.Size > MostBytes || layer.MediaType == EvidenceTypes.SimpleSigning) return default;
            if (await inspection.ReadBlobAsync(layer.Digest, MostBytes, cancellationToken) is not { } bytes) return default;
            using var document = JsonDocument.Parse(bytes);
            return OfDocument(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            return default;
        }
    }

    private static bool Reads(ContentKind kind) => kind.Key is "signature" or "attestation" or "sbom";

    private static Details OfDocument(JsonElement root)
    {
        if (At(root, "dsseEnvelope") is { } envelope)
            return OfDocument(envelope) with { LogIndex = LogOf(root).Index, LoggedAt = LogOf(root).At };
        if (At(root, "messageSignature") is not null) return new(null, LogOf(root).Index, LogOf(root).At);
        if (At(root, "payload") is { ValueKind: JsonValueKind.String } payload && At(root, "payloadType") is not null)
        {
            using var inner = JsonDocument.Parse(payload.GetBytesFromBase64());
            return OfStatement(inner.RootElement);
        }
        return At(root, "predicateType") is not null ? OfStatement(root) : new(Packages(root), null, null);
    }

    private static Details OfStatement(JsonElement statement)
    {
        var predicate = At(statement, "predicate") ?? default;
        var type = Text(At(statement, "predicateType"));
        return new(Packages(predicate) ?? Builder(predicate) ?? (type == EvidenceTypes.SignPredicate ? null : type), null, null);
    }

    private static string? Packages(JsonElement sbom) =>
        (At(sbom, "packages") ?? At(sbom, "components") ?? At(sbom, "artifacts")) is { ValueKind: JsonValueKind.Array } packages
            ? string.Create(CultureInfo.InvariantCulture, $"{packages.GetArrayLength()} packages")
            : null;

    // SLSA provenance 0.2 and 1.
    private static string? Builder(JsonElement predicate)
    {
        var builder = Text(At(predicate, "builder", "id")) ?? Text(At(predicate, "runDetails", "builder", "id"));
        var source = Text(At(predicate, "invocation", "configSource", "uri"))
            ?? Text(At(predicate, "buildDefinition", "externalParameters", "workflow", "repository"));
        if (builder is null && source is null) return null;
        return $"built by {builder ?? "an unnamed builder"}{(source is null ? "" : $" from {source}")}";
    }

    private static (long? Index, DateTimeOffset? At) LogOf(JsonElement bundle) =>
        At(bundle, "verificationMaterial", "tlogEntries") is { ValueKind: JsonValueKind.Array } entries && entries.GetArrayLength() > 0
            ? (Number(At(entries[0], "logIndex")), Time(Number(At(entries[0], "integratedTime"))))
            : default;

    // cosign 2: {"SignedEntryTimestamp": …, "Payload": {"integratedTime": 1, "logIndex": 2, …}}
    private static Details OfOlderBundle(string json)
    {
        using var document = JsonDocument.Parse(json);
        var payload = At(document.RootElement, "Payload") ?? default;
        return new(null, Number(At(payload, "logIndex")), Time(Number(At(payload, "integratedTime"))));
    }

    private static JsonElement? At(JsonElement of, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            if (of.ValueKind != JsonValueKind.Object || !of.TryGetProperty(name, out of)) return null;
        }
        return of;
    }

    private static string? Text(JsonElement? text) => text is { ValueKind: JsonValueKind.String } value
        ? value.GetString() is { Length: > MostText } longer ? longer[..MostText] : value.GetString()
        : null;

    // Bundles write 64-bit numbers as strings.
    private static long? Number(JsonElement? number) => number switch
    {
        { ValueKind: JsonValueKind.Number } n when n.TryGetInt64(out var value) => value,
        { ValueKind: JsonValueKind.String } s when long.TryParse(s.GetString(), CultureInfo.InvariantCulture, out var value) => value,
        _ => null,
    };

    private static DateTimeOffset? Time(long? seconds) =>
        seconds is > 0 and < 253_402_300_800 ? DateTimeOffset.FromUnixTimeSeconds(seconds.Value) : null;
}
