using System.Globalization;
using System.Text;

namespace Gateway.Policy.Signatures;

/// <summary>A DSSE envelope around an in-toto statement (secure-systems-lab/dsse, envelope.md): exactly one signature.</summary>
/// <param name="Signature">The signature over <see cref="SignedBytes"/>.</param>
/// <param name="KeyHint">The envelope's key id; null when absent.</param>
internal sealed record Envelope(ReadOnlyMemory<byte> Payload, ReadOnlyMemory<byte> Signature, string? KeyHint)
{
    // cosign's own envelope has a key id of 0 to 64 characters. Certificates in it are not read.
    private static readonly KeySet Keys = new("payloadType", "payload", "signatures");
    private static readonly KeySet SignatureKeys = new("keyid", "sig");

    // An RSA signature of 8192 bits has 1 KiB.
    private const int MaxSignature = 4096;

    /// <summary>DSSE's pre-authentication encoding: the signed bytes.</summary>
    public byte[] SignedBytes() =>
    [
        .. Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"DSSEv1 {EvidenceTypes.InToto.Length} {EvidenceTypes.InToto} {Payload.Length} ")),
        .. Payload.Span,
    ];

    /// <summary>Reads a document that is one envelope.</summary>
    public static Envelope Read(ReadOnlySpan<byte> utf8)
    {
        var json = new StrictJson(utf8, maxDepth: 8);
        var envelope = Read(ref json);
        json.End();
        return envelope;
    }

    /// <summary>Reads the envelope at the current token.</summary>
    public static Envelope Read(ref StrictJson json)
    {
        string? type = null;
        byte[]? payload = null;
        (byte[] Signature, string? Hint)? signature = null;
        var keys = json.OpenObject(Keys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "payloadType") type = json.TextValue();
            else if (key == "payload") payload = json.Base64(EvidenceBudget.MaxAttestation);
            else signature = ReadOne(ref json);
        }
        if (type != EvidenceTypes.InToto)
            throw json.Problem(
                ProblemCodes.FieldInvalid, $"expected the payloadType {EvidenceTypes.InToto}, got {Printable.Quote(type ?? "")}");
        if (payload is null || signature is null)
            throw json.Problem(ProblemCodes.FieldMissing, "expected a DSSE envelope with payload and signatures, got one without");
        return new(payload, signature.Value.Signature, signature.Value.Hint);
    }

    private static (byte[], string?) ReadOne(ref StrictJson json)
    {
        byte[]? signature = null;
        string? hint = null;
        json.OpenArray();
        if (!json.NextItem()) throw json.Problem(ProblemCodes.FieldInvalid, "expected exactly one signature, got none");
        var keys = json.OpenObject(SignatureKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "sig") signature = json.Base64(MaxSignature);
            else hint = json.TextValue();
        }
        if (json.NextItem()) throw json.Problem(ProblemCodes.FieldInvalid, "expected exactly one signature, got more");
        if (signature is null) throw json.Problem(ProblemCodes.FieldMissing, "expected a signature with sig, got none");
        return (signature, hint is "" ? null : hint);
    }

    public SignatureMaterial ToMaterial(EvidenceLayer layer, SignatureFormat format) => new()
    {
        Format = format, FirstSeen = layer.FirstSeen, SignedBytes = SignedBytes(),
        Signature = Signature, Claims = PayloadReader.Statement(Payload), Payload = Payload, KeyHint = KeyHint, Timestamped = Signature,
    };
}
