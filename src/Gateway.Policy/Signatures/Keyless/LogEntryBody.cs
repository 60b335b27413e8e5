using System.Security.Cryptography;
using System.Text;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>The content of an entry of Rekor: the signed hash, the signature and the signer.</summary>
internal sealed record LogEntryBody
{
    private const int MaxDepth = 16; // intoto nests 7 deep
    private const int MaxBytes = 1 << 20; // one signature, key or certificate in base64; real ones have 4 KiB

    private static readonly KeySet Top = new("apiVersion", "kind", "spec");
    private static readonly KeySet RekordSpec = new("data", "signature");
    private static readonly KeySet Rekord2Spec = new("hashedRekordV002");
    private static readonly KeySet DsseSpec = new("payloadHash", "signatures");
    private static readonly KeySet Dsse2Spec = new("dsseV002");
    private static readonly KeySet IntotoSpec = new("content");
    private static readonly KeySet IntotoContent = new("envelope", "payloadHash");
    private static readonly KeySet Envelope = new("signatures");
    private static readonly KeySet Data = new("hash");
    private static readonly KeySet Hash = new("algorithm", "value");
    private static readonly KeySet Digest2 = new("algorithm", "digest");
    private static readonly KeySet RekordSignature = new("content", "publicKey");
    private static readonly KeySet PublicKey = new("content");
    private static readonly KeySet DsseSignature = new("signature", "verifier");
    private static readonly KeySet IntotoSignature = new("sig", "publicKey");
    private static readonly KeySet Signature2 = new("content", "verifier");
    private static readonly KeySet Verifier2 = new("publicKey", "x509Certificate");
    private static readonly KeySet RawBytes = new("rawBytes");

    private string? _version;
    private string? _kind;
    private string? _algorithm;
    private byte[] _hash = [];
    private byte[] _signature = [];
    private byte[] _signer = [];
    private bool _ofPayload;
    private int _signatures;

    /// <summary>Whether the log is a Rekor v2, which has no signed entry timestamps and proves no time.</summary>
    public bool IsVersion2 { get; private set; }

    /// <summary>Kind and version, such as <c>hashedrekord 0.0.1</c>.</summary>
    public string Kind => $"{_kind} {_version}";

    /// <summary>Reads a body; throws <see cref="ManifestProblemException"/> for a kind that does not contain signatures.</summary>
    public static LogEntryBody Read(ReadOnlySpan<byte> bytes)
    {
        var body = new LogEntryBody();
        var json = new StrictJson(bytes, MaxDepth);
        var keys = json.OpenObject(Top);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "apiVersion") body._version = json.TextValue();
            else if (key == "kind") body._kind = json.TextValue();
            else body.ReadSpec(ref json); // canonical JSON sorts its keys, so it is last
        }
        json.End();
        return body._algorithm is null ? throw json.Problem(ProblemCodes.FieldMissing, "spec: expected one, got none") : body;
    }

    /// <summary>
    /// Why the entry is not about this signature by this signer (its certificate or SubjectPublicKeyInfo, in DER); null when it is.
    /// Without this check, an entry about anything would do (CVE-2026-22703).
    /// </summary>
    public string? ProblemWith(SignatureMaterial material, ReadOnlySpan<byte> signer)
    {
        var signed = (_ofPayload ? material.Payload : material.SignedBytes).Span;
        var hash = _algorithm switch
        {
            "sha256" or "SHA2_256" => SHA256.HashData(signed),
            "sha384" or "SHA2_384" => SHA384.HashData(signed),
            "sha512" or "SHA2_512" => SHA512.HashData(signed),
            _ => null,
        };
        if (hash is null) return $"its hash is {Printable.Quote(_algorithm)}, expected SHA-256, SHA-384 or SHA-512";
        if (!hash.AsSpan().SequenceEqual(_hash)) return $"it is for content {Hex(_hash)}, expected {Hex(hash)}";
        if (_signatures != 1) return $"it has {_signatures} signatures, expected one";
        if (!material.Signature.Span.SequenceEqual(_signature)) return "it is for another signature";
        return signer.SequenceEqual(_signer) ? null : "it is for another key or certificate";
    }

    private static string Hex(ReadOnlySpan<byte> hash) => Printable.Line(Convert.ToHexStringLower(hash), 128);

    private void ReadSpec(ref StrictJson json)
    {
        switch (_kind, _version)
        {
            case ("hashedrekord", "0.0.1"): ReadRekord(ref json); break;
            case ("hashedrekord", "0.0.2"): ReadVersion2(ref json, Rekord2Spec); break;
            case ("dsse", "0.0.1"): ReadDsse(ref json); break;
            case ("dsse", "0.0.2"): ReadVersion2(ref json, Dsse2Spec); break;
            case ("intoto", "0.0.2"): ReadIntoto(ref json); break;
            default:
                const string kinds = "hashedrekord 0.0.1 or 0.0.2, dsse 0.0.1 or 0.0.2 or intoto 0.0.2";
                throw json.Problem(ProblemCodes.FieldInvalid, $"expected {kinds}, got {Printable.Quote(Kind)}");
        }
    }

    private void ReadRekord(ref StrictJson json)
    {
        var keys = json.OpenObject(RekordSpec);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "signature") ReadSignature(ref json, RekordSignature);
            else for (var data = json.OpenObject(Data); json.NextKey(ref data) is not null;) ReadHash(ref json, Hash);
        }
    }

    private void ReadDsse(ref StrictJson json)
    {
        _ofPayload = true;
        var keys = json.OpenObject(DsseSpec);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "payloadHash") ReadHash(ref json, Hash);
            else for (json.OpenArray(); json.NextItem();) ReadSignature(ref json, DsseSignature);
        }
    }

    private void ReadIntoto(ref StrictJson json)
    {
        _ofPayload = true;
        var keys = json.OpenObject(IntotoSpec);
        while (json.NextKey(ref keys) is not null)
        {
            var content = json.OpenObject(IntotoContent);
            while (json.NextKey(ref content) is { } key)
            {
                if (key == "payloadHash") ReadHash(ref json, Hash);
                else ReadEnvelope(ref json);
            }
        }
    }

    private void ReadEnvelope(ref StrictJson json)
    {
        var keys = json.OpenObject(Envelope);
        while (json.NextKey(ref keys) is not null)
        {
            for (json.OpenArray(); json.NextItem();) ReadSignature(ref json, IntotoSignature);
        }
    }

    private void ReadVersion2(ref StrictJson json, KeySet spec)
    {
        IsVersion2 = true;
        _ofPayload = spec == Dsse2Spec;
        var outer = json.OpenObject(spec);
        while (json.NextKey(ref outer) is not null)
        {
            var keys = json.OpenObject(_ofPayload ? DsseSpec : RekordSpec);
            while (json.NextKey(ref keys) is { } key)
            {
                if (key is "data" or "payloadHash") ReadHash(ref json, Digest2);
                else if (key == "signature") ReadSignature(ref json, Signature2);
                else for (json.OpenArray(); json.NextItem();) ReadSignature(ref json, Signature2);
            }
        }
    }

    private void ReadHash(ref StrictJson json, KeySet fields)
    {
        var keys = json.OpenObject(fields);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "algorithm") _algorithm = json.TextValue();
            else if (key == "digest") _hash = json.Base64(SHA512.HashSizeInBytes);
            else if (!TryHex(json.TextValue(), out _hash)) throw json.Expected("a hash in hex");
        }
    }

    private static bool TryHex(string text, out byte[] bytes)
    {
        bytes = new byte[text.Length / 2];
        return text.Length % 2 == 0 && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
    }

    // Four spellings of the same two things.
    private void ReadSignature(ref StrictJson json, KeySet fields)
    {
        _signatures++;
        var keys = json.OpenObject(fields);
        while (json.NextKey(ref keys) is { } key)
        {
            if (fields == Signature2 && key == "verifier") ReadVerifier(ref json);
            else if (fields == RekordSignature && key == "publicKey")
                for (var inner = json.OpenObject(PublicKey); json.NextKey(ref inner) is not null;) _signer = DerOf(ref json);
            else if (key is "verifier" or "publicKey") _signer = DerOf(ref json);
            else _signature = json.Base64(MaxBytes);
        }
        // intoto encodes the signature in base64 twice.
        if (fields == IntotoSignature && !TryBase64(_signature, out _signature))
            throw json.Problem(ProblemCodes.FieldInvalid, "sig: expected base64 in base64");
    }

    private void ReadVerifier(ref StrictJson json)
    {
        var keys = json.OpenObject(Verifier2);
        while (json.NextKey(ref keys) is not null)
        {
            for (var inner = json.OpenObject(RawBytes); json.NextKey(ref inner) is not null;) _signer = json.Base64(MaxBytes);
        }
    }

    private static byte[] DerOf(ref StrictJson json)
    {
        var pem = Encoding.ASCII.GetString(json.Base64(MaxBytes));
        return PemEncoding.TryFind(pem, out var block) && pem[block.Label] is "CERTIFICATE" or "PUBLIC KEY"
            ? Convert.FromBase64String(pem[block.Base64Data])
            : throw json.Expected("a certificate or public key in PEM in base64");
    }

    private static bool TryBase64(byte[] text, out byte[] bytes)
    {
        bytes = new byte[text.Length];
        var status = System.Buffers.Text.Base64.DecodeFromUtf8(text, bytes, out _, out var length);
        bytes = bytes[..length];
        return status == System.Buffers.OperationStatus.Done;
    }
}
