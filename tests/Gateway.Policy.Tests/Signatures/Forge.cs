using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>Makes genuine and forged evidence.</summary>
internal static class Forge
{
    public const string Slsa = "https://slsa.dev/provenance/v1";

    public static readonly Digest Subject = Digest.Of("the signed manifest"u8);
    public static readonly Digest Other = Digest.Of("another manifest"u8);
    public static readonly RepositoryName Repository = RepositoryName.Parse("prod/app");
    public static readonly DateTimeOffset Now = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>A layer of cosign 2: its bytes and its annotations.</summary>
    public sealed record Layer(string MediaType, byte[] Bytes, params (string Key, string Value)[] Annotations);

    public static byte[] Payload(
        string? digest = null, string reference = "registry.example/prod/app", string type = "cosign container image signature") =>
        Encoding.UTF8.GetBytes(
            $$"""{"critical":{"identity":{"docker-reference":"{{reference}}"},"image":{"docker-manifest-digest":"{{digest ?? Subject.ToString()}}"},"type":"{{type}}"},"optional":null}""");

    public static Layer SimpleSigning(TestKey key, byte[]? payload = null, byte[]? signature = null)
    {
        payload ??= Payload();
        return new(
            EvidenceTypes.SimpleSigning, payload,
            ("dev.cosignproject.cosign/signature", Convert.ToBase64String(signature ?? key.Sign(payload))));
    }

    /// <summary>A subject of a statement.</summary>
    public static string Named(string algorithm, string hex) => $$$"""{"digest":{"{{{algorithm}}}":"{{{hex}}}"}}""";

    public static string Statement(string predicateType = EvidenceTypes.SignPredicate, string? predicate = "{}", string? subjects = null) =>
        $$"""{"_type":"https://in-toto.io/Statement/v1","subject":[{{subjects ?? Named("sha256", Subject.Hex.ToString())}}],"predicateType":"{{predicateType}}"{{(predicate is null ? "" : $",\"predicate\":{predicate}")}}}""";

    public static JsonObject Envelope(TestKey key, string statement, string payloadType = EvidenceTypes.InToto) => new()
    {
        ["payload"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(statement)),
        ["payloadType"] = payloadType,
        ["signatures"] = new JsonArray(new JsonObject
        {
            ["sig"] = Convert.ToBase64String(key.Sign(
                Encoding.UTF8.GetBytes($"DSSEv1 {payloadType.Length} {payloadType} {Encoding.UTF8.GetByteCount(statement)} {statement}"))),
        }),
    };

    public static JsonObject Bundle(TestKey key, string? statement = null) => new()
    {
        ["mediaType"] = EvidenceTypes.Bundle,
        ["verificationMaterial"] = new JsonObject { ["publicKey"] = new JsonObject { ["hint"] = Hint(key) } },
        ["dsseEnvelope"] = Envelope(key, statement ?? Statement()),
    };

    public static string Hint(TestKey key) => Convert.ToBase64String(Convert.FromHexString(key.Public.Fingerprint[7..]));

    public static Layer Of(JsonNode bundle) => new(EvidenceTypes.Bundle, Encoding.UTF8.GetBytes(bundle.ToJsonString()));

    public static Evidence Tagged(params Layer[] layers) => Tagged(Now, layers);

    public static Evidence Tagged(DateTimeOffset seen, params Layer[] layers) =>
        new(Name(layers), Manifest(layers), TagName.Parse($"sha256-{Subject.Hex}.sig"), seen, Blobs(layers));

    public static Evidence Referrer(params Layer[] layers) => Referrer(Now, layers);

    public static Evidence Referrer(DateTimeOffset seen, params Layer[] layers) => new(
        Name(layers), Manifest(layers) with { Subject = new(MediaTypes.OciManifest, Subject, 1) }, null, seen, Blobs(layers));

    /// <summary>Checks for signatures by <c>release</c> under this trust.</summary>
    public static EvidenceCheck Ask(TrustOptions trust, SignatureRequirementOptions requirement, params Evidence[] evidence) =>
        new EvidenceVerifier(trust).Signatures(requirement, Subject, Repository, EvidenceSet.Read(evidence), Now);

    public static EvidenceCheck Ask(TrustOptions trust, params Evidence[] evidence) => Ask(trust, new("release"), evidence);

    public static EvidenceCheck AskAttested(TrustOptions trust, PredicateCondition[] where, params Evidence[] evidence) =>
        new EvidenceVerifier(trust).Attestations(new(Slsa, "release") { Where = [.. where] }, Subject, EvidenceSet.Read(evidence), Now);

    private static Manifest Manifest(Layer[] layers) => new(MediaTypes.OciManifest)
    {
        Config = new(MediaTypes.OciConfig, Digest.Of("{}"u8), 2),
        Layers = [.. layers.Select(static layer => new Descriptor(layer.MediaType, Digest.Of(layer.Bytes), layer.Bytes.Length)
        {
            Annotations = layer.Annotations.ToImmutableSortedDictionary(static a => a.Key, static a => a.Value, StringComparer.Ordinal),
        })],
    };

    private static Digest Name(Layer[] layers) => Digest.Of(Encoding.UTF8.GetBytes(string.Concat(
        layers.Select(
            static layer => $"{Digest.Of(layer.Bytes)} {string.Concat(layer.Annotations.Select(static a => a.Key + a.Value))}"))));

    private static ImmutableDictionary<Digest, ReadOnlyMemory<byte>> Blobs(Layer[] layers) =>
        layers.DistinctBy(static layer => Digest.Of(layer.Bytes))
        .ToImmutableDictionary(static layer => Digest.Of(layer.Bytes), static layer => (ReadOnlyMemory<byte>)layer.Bytes);
}
