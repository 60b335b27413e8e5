using System.Security.Cryptography;
using System.Text;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// Reads a Notation signature: its manifest, its envelope and what was signed (signature-specification.md, "OCI Signatures").
/// </summary>
internal static class NotationReader
{
    private const string ArtifactType = "application/vnd.cncf.notary.signature";
    private const string ThumbprintKey = "io.cncf.notary.x509chain.thumbprint#S256";

    private static readonly KeySet PayloadKeys = new("targetArtifact");

    public static SignatureMaterial Read(EvidenceLayer layer, ReadOnlyMemory<byte> bytes)
    {
        var manifest = layer.Manifest;
        if (manifest.ReferrerType != ArtifactType || manifest.Layers.Length != 1)
            throw Bad(
                $"expected a manifest of type {ArtifactType} with one layer, got {Printable.Quote(manifest.ReferrerType ?? "none")} "
                + $"with {manifest.Layers.Length}");
        var envelope = layer.Descriptor.MediaType == EvidenceTypes.Cose ? CoseEnvelope.Read(bytes) : JwsEnvelope.Read(bytes.Span);
        RequireThumbprints(manifest, envelope.Chain);
        var target = ReadPayload(envelope.Payload.Span);
        RequireSame(target, manifest.Subject);
        return new()
        {
            Format = SignatureFormat.Notation, FirstSeen = layer.FirstSeen,
            SignedBytes = envelope.SignedBytes, Signature = envelope.Signature, Payload = envelope.Payload,
            Claims = new Claims.Target(target), Certificate = envelope.Chain[0], Chain = envelope.Chain[1..],
            Timestamped = envelope.Signature, Timestamps = envelope.Timestamp is { } stamp ? [stamp] : [], Notation = envelope.Attributes,
        };
    }

    // The unsigned annotation only helps to find signatures. A false one is not from the signer.
    private static void RequireThumbprints(Manifest manifest, ImmutableArray<ReadOnlyMemory<byte>> chain)
    {
        if (!manifest.Annotations.TryGetValue(ThumbprintKey, out var text))
            throw Bad($"expected the annotation {ThumbprintKey}, got none");
        var json = new StrictJson(Encoding.UTF8.GetBytes(text), maxDepth: 1);
        var named = new List<string>();
        json.OpenArray();
        while (json.NextItem()) named.Add(json.TextValue());
        json.End();
        var found = chain.Select(static der => Convert.ToHexString(SHA256.HashData(der.Span)));
        if (!named.SequenceEqual(found, StringComparer.OrdinalIgnoreCase))
            throw Bad($"expected {ThumbprintKey} to name the {chain.Length} certificates of the chain in their order");
    }

    private static Descriptor ReadPayload(ReadOnlySpan<byte> utf8)
    {
        var json = new StrictJson(utf8, maxDepth: 8);
        Descriptor? target = null;
        var keys = json.OpenObject(PayloadKeys);
        while (json.NextKey(ref keys) is not null) target = new DescriptorReader(new()).Read(ref json);
        json.End();
        return target ?? throw json.Problem(ProblemCodes.FieldMissing, "expected a payload with targetArtifact, got none");
    }

    private static void RequireSame(Descriptor target, Descriptor? subject)
    {
        if (subject is not null && Text(target) == Text(subject)) return;
        var expected = subject is null ? "a subject" : Text(subject);
        throw new UnusableSignatureException(ReasonCodes.SigWrongDigest, $"expected a signature of {expected}, got one of {Text(target)}");
    }

    private static string Text(Descriptor one) => $"{one.Digest} ({Printable.Quote(one.MediaType)}, {one.Size} bytes)";

    private static UnusableSignatureException Bad(string why) => new(ReasonCodes.SigBad, why);
}
