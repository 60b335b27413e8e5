using System.Buffers.Text;
using System.Text;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// Reads a Notation signature in JWS: flattened JSON (RFC 7515 §7.2.2) with one signature (signature-envelope-jws.md). Strict: only
/// canonical base64url, no duplicate keys, no members except the four.
/// </summary>
internal static class JwsEnvelope
{
    // The envelope is nested 3 levels deep, and unknown headers not much deeper.
    private const int MaxDepth = 8;

    private static readonly KeySet Keys = new("payload", "protected", "header", "signature");
    private static readonly KeySet HeaderKeys = new("x5c", "io.cncf.notary.timestampSignature", "io.cncf.notary.signingAgent");

    private static readonly KeySet ProtectedKeys = new(
        "alg", "cty", "crit", SignedHeaders.SchemeKey, SignedHeaders.TimeKey, SignedHeaders.AuthenticTimeKey, SignedHeaders.ExpiryKey,
        SignedHeaders.PluginKey, SignedHeaders.PluginVersionKey);

    /// <summary>Reads the document.</summary>
    public static NotationEnvelope Read(ReadOnlySpan<byte> utf8)
    {
        var json = new StrictJson(utf8, MaxDepth);
        string? payload = null, headers = null, signature = null;
        (ImmutableArray<ReadOnlyMemory<byte>> Chain, ReadOnlyMemory<byte>? Timestamp) beside = ([], NoBytes.Here);
        var keys = json.OpenObject(Keys);
        while (json.NextKey(ref keys) is { } key)
        {
            switch (key)
            {
                case "payload": payload = json.TextValue(); break;
                case "protected": headers = json.TextValue(); break;
                case "signature": signature = json.TextValue(); break;
                default: beside = ReadHeader(ref json); break;
            }
        }
        json.End();
        if (keys.HasUnknown || payload is null || headers is null || signature is null || beside.Chain.IsEmpty)
            throw json.Problem(
                ProblemCodes.FieldMissing, "expected a JWS of payload, protected, header with x5c, and signature, and of nothing else");
        return new(
            Encoding.ASCII.GetBytes($"{headers}.{payload}"), Bytes(payload, "payload"), Signature(signature),
            ReadProtected(Bytes(headers, "protected")), beside.Chain, beside.Timestamp);
    }

    private static NotationAttributes ReadProtected(byte[] utf8)
    {
        var json = new StrictJson(utf8, MaxDepth);
        var headers = new SignedHeaders();
        var keys = json.OpenObject(ProtectedKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            switch (key)
            {
                case "alg": headers.Algorithm = json.TextValue(); break;
                case "cty": headers.ContentType = json.TextValue(); break;
                case "crit": ReadCritical(ref json, headers); break;
                case SignedHeaders.SchemeKey: headers.Scheme = json.TextValue(); break;
                case SignedHeaders.TimeKey: headers.Time = json.Moment(); break;
                case SignedHeaders.AuthenticTimeKey: headers.AuthenticTime = json.Moment(); break;
                case SignedHeaders.ExpiryKey: headers.Expiry = json.Moment(); break;
                default: (headers.NeedsPlugin, _) = (true, json.TextValue()); break;
            }
        }
        json.End();
        return headers.Check();
    }

    private static void ReadCritical(ref StrictJson json, SignedHeaders headers)
    {
        json.OpenArray();
        while (json.NextItem()) headers.AddCritical(json.TextValue());
    }

    private static (ImmutableArray<ReadOnlyMemory<byte>>, ReadOnlyMemory<byte>?) ReadHeader(ref StrictJson json)
    {
        var chain = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        var timestamp = NoBytes.Here;
        var keys = json.OpenObject(HeaderKeys);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "x5c") ReadChain(ref json, chain);
            else if (key == "io.cncf.notary.timestampSignature") timestamp = json.Base64(NotationEnvelope.MaxTimestamp);
            else json.TextValue(); // whose program it was
        }
        return (chain.ToImmutable(), timestamp);
    }

    private static void ReadChain(ref StrictJson json, ImmutableArray<ReadOnlyMemory<byte>>.Builder chain)
    {
        json.OpenArray();
        while (json.NextItem())
        {
            if (chain.Count == NotationEnvelope.MaxChain)
                throw json.Problem(ProblemCodes.FieldInvalid, $"expected at most {NotationEnvelope.MaxChain} certificates, got more");
            chain.Add(json.Base64(NotationEnvelope.MaxCertificate));
        }
    }

    private static byte[] Signature(string text) => Bytes(text, "signature") is { Length: > 0 and <= NotationEnvelope.MaxSignature } bytes
        ? bytes
        : throw new UnusableSignatureException(ReasonCodes.SigBad, $"signature: expected 1 to {NotationEnvelope.MaxSignature} bytes");

    // RFC 7515 §2: without padding, line ends or other characters; one text for the same bytes.
    private static byte[] Bytes(string text, string what)
    {
        var bytes = new byte[Base64Url.GetMaxDecodedLength(text.Length)];
        var isRead = Base64Url.DecodeFromChars(text, bytes, out _, out var length) == System.Buffers.OperationStatus.Done;
        return isRead && Base64Url.EncodeToString(bytes.AsSpan(0, length)) == text
            ? bytes[..length]
            : throw new UnusableSignatureException(ReasonCodes.SigBad, $"{what}: expected base64url without padding (RFC 7515 §2)");
    }
}
