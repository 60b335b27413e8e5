using System.Formats.Cbor;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// Reads a Notation signature in COSE: one tagged COSE_Sign1 (RFC 9052 §4.2, signature-envelope-cose.md). It refuses duplicate keys and
/// detached payloads.
/// </summary>
internal static class CoseEnvelope
{
    private const int Sign1Tag = 18; // RFC 9052 §2
    private const int EpochTag = 1; // RFC 8949 §3.4.2
    private const string ChainLabel = "33"; // x5chain, RFC 9360 §2
    private const string TimestampLabel = "io.cncf.notary.timestampSignature";

    // 9999-12-31T23:59:59Z, the largest DateTimeOffset.
    private const long MaxSeconds = 253402300799;

    /// <summary>Reads the item.</summary>
    public static NotationEnvelope Read(ReadOnlyMemory<byte> bytes)
    {
        var cbor = new StrictCbor(bytes);
        if (cbor.Tag() != Sign1Tag || cbor.Array() != 4) throw Bad("expected a COSE_Sign1 with its tag, got something else");
        var headers = cbor.Bytes(EvidenceBudget.MaxNotation).ToArray();
        var (chain, timestamp) = ReadUnprotected(cbor);
        var payload = cbor.Bytes(EvidenceBudget.MaxNotation).ToArray();
        var signature = cbor.Bytes(NotationEnvelope.MaxSignature).ToArray();
        cbor.End();
        if (chain.IsEmpty) throw Bad("expected a COSE_Sign1 with x5chain, got none");
        return new(SignedBytes(headers, payload), payload, signature, ReadProtected(headers), chain, timestamp);
    }

    // Sig_structure, RFC 9052 §4.4: context, protected headers, no external data, payload.
    private static byte[] SignedBytes(byte[] headers, byte[] payload)
    {
        var cbor = new CborWriter(CborConformanceMode.Canonical);
        cbor.WriteStartArray(4);
        cbor.WriteTextString("Signature1");
        cbor.WriteByteString(headers);
        cbor.WriteByteString([]);
        cbor.WriteByteString(payload);
        cbor.WriteEndArray();
        return cbor.Encode();
    }

    private static NotationAttributes ReadProtected(byte[] bytes)
    {
        var cbor = new StrictCbor(bytes);
        var headers = new SignedHeaders();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var remaining = cbor.Map(); remaining > 0; remaining--) ReadHeader(cbor, Label(cbor, seen), headers);
        cbor.End();
        return headers.Check();
    }

    private static void ReadHeader(StrictCbor cbor, string label, SignedHeaders headers)
    {
        switch (label)
        {
            case "1": headers.Algorithm = NameOf(cbor.Integer()); break;
            case "2": ReadCritical(cbor, headers); break;
            case "3": headers.ContentType = cbor.Text(); break;
            case SignedHeaders.SchemeKey: headers.Scheme = cbor.Text(); break;
            case SignedHeaders.TimeKey: headers.Time = Moment(cbor); break;
            case SignedHeaders.AuthenticTimeKey: headers.AuthenticTime = Moment(cbor); break;
            case SignedHeaders.ExpiryKey: headers.Expiry = Moment(cbor); break;
            case SignedHeaders.PluginKey or SignedHeaders.PluginVersionKey:
                headers.NeedsPlugin = true;
                cbor.Skip();
                break;
            default: cbor.Skip(); break;
        }
    }

    private static void ReadCritical(StrictCbor cbor, SignedHeaders headers)
    {
        for (var remaining = cbor.Array(); remaining > 0; remaining--) headers.AddCritical(Label(cbor, []));
    }

    private static (ImmutableArray<ReadOnlyMemory<byte>>, ReadOnlyMemory<byte>?) ReadUnprotected(StrictCbor cbor)
    {
        var chain = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        var timestamp = NoBytes.Here;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var remaining = cbor.Map(); remaining > 0; remaining--)
        {
            var label = Label(cbor, seen);
            if (label == ChainLabel) ReadChain(cbor, chain);
            else if (label == TimestampLabel) timestamp = cbor.Bytes(NotationEnvelope.MaxTimestamp).ToArray();
            else cbor.Skip();
        }
        return (chain.ToImmutable(), timestamp);
    }

    private static void ReadChain(StrictCbor cbor, ImmutableArray<ReadOnlyMemory<byte>>.Builder chain)
    {
        var count = cbor.Array();
        if (count > NotationEnvelope.MaxChain) throw Bad($"expected at most {NotationEnvelope.MaxChain} certificates, got {count}");
        for (; count > 0; count--) chain.Add(cbor.Bytes(NotationEnvelope.MaxCertificate).ToArray());
    }

    // A label is a number or a text; the text "1" differs from the number 1.
    private static string Label(StrictCbor cbor, HashSet<string> seen)
    {
        var label = cbor.IsAtText ? Name(cbor.Text()) : $"{cbor.Integer()}";
        return seen.Add(label) ? label : throw Bad($"expected the header {Printable.Quote(label)} once, got it twice");
    }

    private static string Name(string text) => text.Length > 0 && text[0] is '-' or (>= '0' and <= '9') ? $"'{text}'" : text;

    private static DateTimeOffset Moment(StrictCbor cbor)
    {
        if (cbor.Tag() != EpochTag) throw Bad("expected a moment in seconds since 1970, got another tag");
        return cbor.Integer() is >= 0 and <= MaxSeconds and var seconds
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : throw Bad("expected a moment from 1970 to 9999, got another");
    }

    // The names in JWS of the algorithms of RFC 9053 §2.1 and RFC 8230 §2.
    private static string NameOf(long algorithm) => algorithm switch
    {
        -7 => "ES256",
        -35 => "ES384",
        -36 => "ES512",
        -37 => "PS256",
        -38 => "PS384",
        -39 => "PS512",
        _ => $"{algorithm}",
    };

    private static UnusableSignatureException Bad(string why) => new(ReasonCodes.SigBad, why);
}
