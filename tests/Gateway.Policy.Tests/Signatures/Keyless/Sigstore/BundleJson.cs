using System.Globalization;
using System.Text.Json.Nodes;
using Gateway.Policy.Signatures;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>A signature as a sigstore bundle v0.3, in protobuf's JSON.</summary>
internal static class BundleJson
{
    public static string Of(SignatureMaterial material) => new JsonObject
    {
        ["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.3+json",
        ["verificationMaterial"] = new JsonObject
        {
            [material.Certificate is null ? "publicKey" : "certificate"] = material.Certificate is { } der
                ? new JsonObject { ["rawBytes"] = Text(der) }
                : new JsonObject { ["hint"] = material.KeyHint },
            ["tlogEntries"] = new JsonArray([.. material.LogEntries.Select(Entry)]),
            ["timestampVerificationData"] = new JsonObject
            {
                ["rfc3161Timestamps"] = new JsonArray([.. material.Timestamps.Select(Stamp)]),
            },
        },
        ["dsseEnvelope"] = new JsonObject
        {
            ["payload"] = Text(material.Payload),
            ["payloadType"] = "application/vnd.in-toto+json",
            ["signatures"] = new JsonArray(new JsonObject { ["sig"] = Text(material.Signature) }),
        },
    }.ToJsonString();

    private static JsonObject Entry(LogEntry entry)
    {
        var json = new JsonObject
        {
            ["logIndex"] = Text(entry.LogIndex),
            ["logId"] = new JsonObject { ["keyId"] = Text(entry.LogId) },
            ["kindVersion"] = new JsonObject { ["kind"] = entry.Kind, ["version"] = entry.KindVersion },
            ["canonicalizedBody"] = Text(entry.CanonicalizedBody),
            ["inclusionProof"] = new JsonObject
            {
                ["logIndex"] = Text(entry.Proof!.LogIndex),
                ["rootHash"] = Text(entry.Proof.RootHash),
                ["treeSize"] = Text(entry.Proof.TreeSize),
                ["hashes"] = new JsonArray([.. entry.Proof.Hashes.Select(h => JsonValue.Create(Text(h)))]),
                ["checkpoint"] = new JsonObject { ["envelope"] = entry.Proof.Checkpoint },
            },
        };
        if (entry.IntegratedTime is { } time) json["integratedTime"] = Text(time.ToUnixTimeSeconds());
        if (entry.SignedEntryTimestamp is { } set) json["inclusionPromise"] = new JsonObject { ["signedEntryTimestamp"] = Text(set) };
        return json;
    }

    private static JsonObject Stamp(ReadOnlyMemory<byte> response) => new() { ["signedTimestamp"] = Text(response) };

    private static string Text(ReadOnlyMemory<byte> bytes) => Convert.ToBase64String(bytes.Span);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
