using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>
/// Reads <c>trusted_root.json</c> strictly, in one pass. Unknown members are ignored, as in JSON readers of proto3 for newer versions.
/// Known members must be right: a partly read root would trust less or more than the file says.
/// </summary>
internal static class TrustedRootReader
{
    private const int MaxDepth = 16; // the format nests 7 deep
    private const int MaxItems = 256; // logs or authorities of one kind; sigstore's own root has 5
    private const int MaxDer = 64 << 10; // one key or certificate; real ones have 2 KiB

    private static readonly string[] MediaTypes =
        ["application/vnd.dev.sigstore.trustedroot+json;version=0.1", "application/vnd.dev.sigstore.trustedroot.v0.2+json"];

    private static readonly KeySet Root = new("mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities");
    private static readonly KeySet Log = new("baseUrl", "hashAlgorithm", "publicKey", "logId");
    private static readonly KeySet Key = new("rawBytes", "keyDetails", "validFor");
    private static readonly KeySet LogId = new("keyId");
    private static readonly KeySet Range = new("start", "end");
    private static readonly KeySet Authority = new("uri", "certChain", "validFor");
    private static readonly KeySet Chain = new("certificates");
    private static readonly KeySet Certificate = new("rawBytes");

    private delegate T Reader<T>(ref StrictJson json);

    public static TrustedRoot Read(ReadOnlySpan<byte> bytes)
    {
        var json = new StrictJson(bytes, MaxDepth);
        var root = new TrustedRoot(Digest.Of(bytes));
        string? mediaType = null;
        var keys = json.OpenObject(Root);
        while (json.NextKey(ref keys) is { } key)
        {
            switch (key)
            {
                case "mediaType": mediaType = json.TextValue(); break;
                case "tlogs": root = root with { SignatureLogs = ReadList(ref json, ReadLog) }; break;
                case "ctlogs": root = root with { CertificateLogs = ReadList(ref json, ReadLog) }; break;
                case "certificateAuthorities": root = root with { CertificateAuthorities = ReadList(ref json, ReadAuthority) }; break;
                default: root = root with { TimestampAuthorities = ReadList(ref json, ReadAuthority) }; break;
            }
        }
        json.End();
        if (!MediaTypes.Contains(mediaType))
            throw Wrong(ref json, $"mediaType: expected {MediaTypes[0]}, got {Printable.Quote(mediaType ?? "none")}");
        return root;
    }

    private static ImmutableArray<T> ReadList<T>(ref StrictJson json, Reader<T> read)
    {
        var items = ImmutableArray.CreateBuilder<T>();
        json.OpenArray();
        while (json.NextItem())
        {
            if (items.Count == MaxItems) throw Wrong(ref json, $"expected at most {MaxItems} items");
            items.Add(read(ref json));
        }
        return items.ToImmutable();
    }

    private static PinnedLog ReadLog(ref StrictJson json)
    {
        (string Url, string Hash, byte[]? Id, (VerificationKey, SignatureHash, TimeRange)? Key) log = ("", "", null, null);
        var keys = json.OpenObject(Log);
        while (json.NextKey(ref keys) is { } key)
        {
            switch (key)
            {
                case "baseUrl": log.Url = json.TextValue(); break;
                case "hashAlgorithm": log.Hash = json.TextValue(); break;
                case "publicKey": log.Key = ReadKey(ref json); break;
                default: log.Id = ReadBytes(ref json, LogId); break;
            }
        }
        if (log.Hash != "SHA2_256") throw Wrong(ref json, $"hashAlgorithm: expected SHA2_256, got {Printable.Quote(log.Hash)}");
        if (log.Id is not { Length: SHA256.HashSizeInBytes })
            throw Wrong(ref json, $"logId.keyId: expected {SHA256.HashSizeInBytes} bytes, got {log.Id?.Length ?? 0}");
        if (log.Key is not var (publicKey, hash, validFor)) throw Missing(ref json, "publicKey");
        return new PinnedLog(log.Url, log.Id, publicKey, hash, validFor);
    }

    private static (VerificationKey, SignatureHash, TimeRange) ReadKey(ref StrictJson json)
    {
        (byte[]? Bytes, string Details, TimeRange? ValidFor) field = (null, "", null);
        var keys = json.OpenObject(Key);
        while (json.NextKey(ref keys) is { } key)
        {
            switch (key)
            {
                case "rawBytes": field.Bytes = json.Base64(MaxDer); break;
                case "keyDetails": field.Details = json.TextValue(); break;
                default: field.ValidFor = ReadRange(ref json); break;
            }
        }
        if (field.Bytes is null) throw Missing(ref json, "rawBytes");
        var (publicKey, hash) = ToKey(ref json, field.Bytes, field.Details);
        return (publicKey, hash, field.ValidFor ?? throw Missing(ref json, "validFor"));
    }

    // The names are those of protobuf-specs' PublicKeyDetails. Logs do not use the others any more, or yet.
    private static (VerificationKey, SignatureHash) ToKey(ref StrictJson json, byte[] bytes, string details)
    {
        var (algorithm, hash) = details switch
        {
            "PKIX_ECDSA_P256_SHA_256" => (KeyAlgorithm.Ecdsa, SignatureHash.Sha256),
            "PKIX_ECDSA_P384_SHA_384" => (KeyAlgorithm.Ecdsa, SignatureHash.Sha384),
            "PKIX_ECDSA_P521_SHA_512" => (KeyAlgorithm.Ecdsa, SignatureHash.Sha512),
            "PKIX_ED25519" => (KeyAlgorithm.Ed25519, SignatureHash.Sha512),
            "PKIX_RSA_PKCS1V15_2048_SHA256" or "PKIX_RSA_PKCS1V15_3072_SHA256" or "PKIX_RSA_PKCS1V15_4096_SHA256" or "PKCS1_RSA_PKCS1V5" =>
                (KeyAlgorithm.Rsa, SignatureHash.Sha256),
            _ => throw Wrong(ref json, $"keyDetails: expected an ECDSA, RSA (PKCS #1 v1.5) or Ed25519 key, got {Printable.Quote(details)}"),
        };
        var (key, problem) = VerificationKey.FromSpki(details == "PKCS1_RSA_PKCS1V5" ? SpkiOfPkcs1(ref json, bytes) : bytes);
        if (key is null) throw Wrong(ref json, $"rawBytes: {problem}");
        if (key.Algorithm != algorithm) throw Wrong(ref json, $"rawBytes: expected a key of {details}, got one of {key.Algorithm}");
        return (key, hash);
    }

    private static byte[] SpkiOfPkcs1(ref StrictJson json, byte[] bytes)
    {
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportRSAPublicKey(bytes, out _);
            return rsa.ExportSubjectPublicKeyInfo();
        }
        catch (CryptographicException)
        {
            throw Wrong(ref json, "rawBytes: expected an RSA key by PKCS #1");
        }
    }

    private static PinnedAuthority ReadAuthority(ref StrictJson json)
    {
        (string Uri, ImmutableArray<ReadOnlyMemory<byte>> Certificates, TimeRange? ValidFor) field = ("", [], null);
        var keys = json.OpenObject(Authority);
        while (json.NextKey(ref keys) is { } key)
        {
            switch (key)
            {
                case "uri": field.Uri = json.TextValue(); break;
                case "validFor": field.ValidFor = ReadRange(ref json); break;
                default: field.Certificates = ReadChain(ref json); break;
            }
        }
        if (field.Certificates.IsEmpty) throw Missing(ref json, "certChain.certificates");
        return new PinnedAuthority(field.Uri, field.Certificates, field.ValidFor ?? throw Missing(ref json, "validFor"));
    }

    private static ImmutableArray<ReadOnlyMemory<byte>> ReadChain(ref StrictJson json)
    {
        ImmutableArray<ReadOnlyMemory<byte>> certificates = [];
        var keys = json.OpenObject(Chain);
        while (json.NextKey(ref keys) is not null) certificates = ReadList(ref json, ReadCertificate);
        return certificates;
    }

    private static ReadOnlyMemory<byte> ReadCertificate(ref StrictJson json)
    {
        var der = ReadBytes(ref json, Certificate) ?? throw Missing(ref json, "rawBytes");
        using var certificate = Certificates.Load(der) ?? throw Wrong(ref json, "rawBytes: expected a certificate in DER");
        return der;
    }

    private static byte[]? ReadBytes(ref StrictJson json, KeySet field)
    {
        byte[]? bytes = null;
        var keys = json.OpenObject(field);
        while (json.NextKey(ref keys) is not null) bytes = json.Base64(MaxDer);
        return bytes;
    }

    // A missing limit would be no limit, so the start is required; the end is optional.
    private static TimeRange ReadRange(ref StrictJson json)
    {
        DateTimeOffset? start = null;
        DateTimeOffset? end = null;
        var keys = json.OpenObject(Range);
        while (json.NextKey(ref keys) is { } key)
        {
            if (key == "start") start = json.Moment();
            else end = json.Moment();
        }
        var range = new TimeRange(start ?? throw Missing(ref json, "start"), end);
        return range.End < range.Start ? throw Wrong(ref json, $"expected an end after the start, got {range}") : range;
    }

    private static ManifestProblemException Wrong(ref StrictJson json, string why) => json.Problem(ProblemCodes.FieldInvalid, why);

    private static ManifestProblemException Missing(ref StrictJson json, string what) =>
        json.Problem(ProblemCodes.FieldMissing, $"{what}: expected one, got none");
}
