using System.Security.Cryptography;
using System.Text;
using Gateway.Policy.Signatures.Notation;

namespace Gateway.Policy.Signatures;

/// <summary>
/// Reads the signature in one layer of evidence, in every form that cosign, podman and notation write. It trusts none of the content:
/// ambiguous content gives <c>SIG_BAD</c>.
/// </summary>
internal static class LayerReader
{
    private const string SignatureKey = "dev.cosignproject.cosign/signature";
    private const string CertificateKey = "dev.sigstore.cosign/certificate";
    private const string ChainKey = "dev.sigstore.cosign/chain";
    private const string EntryKey = "dev.sigstore.cosign/bundle";
    private const string TimestampKey = "dev.sigstore.cosign/rfc3161timestamp";

    // A leaf, two intermediates and a root are usual.
    private const int MaxChain = 10;

    public static FoundSignature Read(EvidenceLayer layer)
    {
        try
        {
            return new(layer.Evidence, layer.Position, ReadMaterial(layer), null);
        }
        catch (ManifestProblemException e)
        {
            return Problem(ReasonCodes.SigBad, e.Message);
        }
        catch (UnusableSignatureException e)
        {
            return Problem(e.Code, e.Message);
        }

        FoundSignature Problem(string code, string why) => new(layer.Evidence, layer.Position, null, Checked.Untrusted(code, why));
    }

    private static SignatureMaterial ReadMaterial(EvidenceLayer layer)
    {
        var type = layer.Descriptor.MediaType;
        if (layer.Descriptor.Size > EvidenceBudget.MaxBytesOf(layer.Descriptor))
            throw new UnusableSignatureException(
                ReasonCodes.EvidenceBudget,
                $"expected at most {EvidenceBudget.MaxBytesOf(layer.Descriptor)} bytes of {type}, got {layer.Descriptor.Size}");
        var bytes = layer.Bytes
            ?? throw new UnusableSignatureException(ReasonCodes.SigBad, $"the layer {layer.Descriptor.Digest} is not here");
        if (EvidenceTypes.IsBundle(type)) return BundleReader.Read(layer, bytes);
        if (EvidenceTypes.IsNotation(type)) return NotationReader.Read(layer, bytes);
        return type == EvidenceTypes.Dsse ? ReadEnvelope(layer, bytes) : ReadSimpleSigning(layer, bytes);
    }

    private static SignatureMaterial ReadSimpleSigning(EvidenceLayer layer, ReadOnlyMemory<byte> payload)
    {
        var signature = Base64(Annotation(layer, SignatureKey) ?? "", SignatureKey);
        if (signature.IsEmpty)
            throw new UnusableSignatureException(ReasonCodes.SigBad, $"expected the annotation {SignatureKey}, got none");
        return WithAnnotations(layer, new SignatureMaterial
        {
            Format = FormatOf(layer), FirstSeen = layer.FirstSeen, SignedBytes = payload,
            Signature = signature, Claims = PayloadReader.SimpleSigning(payload.Span), Payload = payload, Timestamped = signature,
        });
    }

    private static SignatureMaterial ReadEnvelope(EvidenceLayer layer, ReadOnlyMemory<byte> bytes)
    {
        var envelope = Envelope.Read(bytes.Span);
        return WithAnnotations(layer, envelope.ToMaterial(layer, FormatOf(layer)) with { Timestamped = bytes });
    }

    private static SignatureFormat FormatOf(EvidenceLayer layer) =>
        layer.IsReferrer ? SignatureFormat.ReferrerLegacy : SignatureFormat.Legacy;

    private static SignatureMaterial WithAnnotations(EvidenceLayer layer, SignatureMaterial material)
    {
        var leaf = Certificates(Annotation(layer, CertificateKey), CertificateKey);
        if (leaf.Length > 1)
            throw new UnusableSignatureException(ReasonCodes.SigBad, $"expected one certificate in {CertificateKey}, got {leaf.Length}");
        return material with
        {
            Certificate = leaf.IsEmpty ? NoBytes.Here : leaf[0],
            Chain = Certificates(Annotation(layer, ChainKey), ChainKey),
            LogEntries = Annotation(layer, EntryKey) is { } entry ? [LogEntryReader.ReadAnnotation(entry)] : [],
            Timestamps = Annotation(layer, TimestampKey) is { } stamp ? [LogEntryReader.ReadTimestampAnnotation(stamp)] : [],
        };
    }

    // cosign omits annotations without a value, or writes an empty string or JSON's null.
    private static string? Annotation(EvidenceLayer layer, string key) =>
        layer.Descriptor.Annotations.TryGetValue(key, out var value) && value is not ("" or "null") ? value : null;

    private static ReadOnlyMemory<byte> Base64(string text, string key)
    {
        var bytes = new byte[text.Length / 4 * 3 + 3];
        return Convert.TryFromBase64String(text, bytes, out var length)
            ? bytes.AsMemory(0, length)
            : throw new UnusableSignatureException(
                ReasonCodes.SigBad, $"expected base64 in the annotation {key}, got {Printable.Quote(text)}");
    }

    private static ImmutableArray<ReadOnlyMemory<byte>> Certificates(string? pem, string key)
    {
        var certificates = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        for (var rest = pem.AsSpan(); PemEncoding.TryFind(rest, out var fields); rest = rest[fields.Location.End..])
        {
            if (rest[fields.Label] is not "CERTIFICATE" || certificates.Count == MaxChain)
                throw new UnusableSignatureException(
                    ReasonCodes.SigBad, $"expected at most {MaxChain} certificates in PEM in {key}, and nothing else");
            certificates.Add(Convert.FromBase64String(rest[fields.Base64Data].ToString()));
        }
        return certificates.ToImmutable();
    }
}

/// <summary>
/// Why a layer that should contain a signature cannot be used. <see cref="LayerReader"/> catches it; no other caller sees it.
/// </summary>
internal sealed class UnusableSignatureException(string code, string message) : Exception(message)
{
    public string Code => code;
}
