using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>The fields of a leaf of <see cref="TestFulcio"/>; valid by default.</summary>
internal sealed record LeafOptions
{
    public string? Email { get; init; }
    public string? Uri { get; init; } = TestSigstore.Workflow;
    public string? OtherName { get; init; }
    public string OtherNameOid { get; init; } = "1.3.6.1.4.1.57264.1.7";
    public string? IssuerString { get; init; } = TestSigstore.Issuer;
    public string? IssuerRaw { get; init; }
    public Dictionary<string, string> Claims { get; init; } = new() { ["1.3.6.1.4.1.57264.1.11"] = "github-hosted" };
    public string[] Usages { get; init; } = ["1.3.6.1.5.5.7.3.3"];
    public X509KeyUsageFlags? KeyUsage { get; init; } = X509KeyUsageFlags.DigitalSignature;
    public bool IsAuthority { get; init; }
    public DateTimeOffset NotBefore { get; init; } = TestSigstore.Issued;
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromMinutes(10);
    public bool HasSct { get; init; } = true;
    public DateTimeOffset SctAt { get; init; } = TestSigstore.Issued;
    public byte[] SctExtensions { get; init; } = [];
    public byte SctScheme { get; init; } = 3;
    public TestLogKey? SctBy { get; init; }
    public byte[]? RawSct { get; init; }
}

/// <summary>A certificate authority like Fulcio: root, intermediate, and logged leaf certificates that are valid for minutes.</summary>
internal sealed class TestFulcio
{
    private const string SctOid = "1.3.6.1.4.1.11129.2.4.2";
    private static readonly ECCurve Curve = ECCurve.NamedCurves.nistP384;

    public TestFulcio(DateTimeOffset notBefore, TimeSpan lifetime)
    {
        var rootKey = ECDsa.Create(Curve);
        var root = Request("CN=root,O=test.example", rootKey, pathLength: 1);
        Root = root.CreateSelfSigned(notBefore, notBefore + lifetime);
        var key = ECDsa.Create(Curve);
        var request = Request("CN=intermediate,O=test.example", key, pathLength: 0);
        request.CertificateExtensions.Add(Usage("1.3.6.1.5.5.7.3.3"));
        Intermediate = request.Create(Root, notBefore, notBefore + lifetime, Serial()).CopyWithPrivateKey(key);
    }

    public X509Certificate2 Root { get; }

    public X509Certificate2 Intermediate { get; }

    /// <summary>The log that leaf certificates are submitted to.</summary>
    public TestLogKey Log { get; } = TestLogKey.Ecdsa();

    public X509Certificate2 Issue(ECDsa key, LeafOptions options)
    {
        var serial = Serial();
        var request = LeafRequest(key, options);
        var generator = X509SignatureGenerator.CreateForECDsa(Intermediate.GetECDsaPrivateKey()!);
        var end = options.NotBefore + options.Lifetime;
        var before = request.Create(Intermediate.SubjectName, generator, options.NotBefore, end, serial);
        if (!options.HasSct) return before;
        request.CertificateExtensions.Add(new X509Extension(SctOid, options.RawSct ?? Sct(before, options), critical: false));
        return request.Create(Intermediate.SubjectName, generator, options.NotBefore, end, serial);
    }

    private static CertificateRequest LeafRequest(ECDsa key, LeafOptions options)
    {
        var request = new CertificateRequest(new X500DistinguishedName([0x30, 0x00]), key, HashAlgorithmName.SHA384);
        if (options.KeyUsage is { } usage) request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, critical: true));
        if (options.Usages.Length > 0) request.CertificateExtensions.Add(Usage(options.Usages));
        if (options.IsAuthority) request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        if (Names(options) is { } names) request.CertificateExtensions.Add(new X509Extension("2.5.29.17", names, critical: true));
        void Add(string oid, byte[] value) => request.CertificateExtensions.Add(new X509Extension(oid, value, critical: false));
        if (options.IssuerRaw is { } raw) Add("1.3.6.1.4.1.57264.1.1", Encoding.UTF8.GetBytes(raw));
        if (options.IssuerString is { } issuer) Add("1.3.6.1.4.1.57264.1.8", Text(issuer));
        foreach (var (oid, value) in options.Claims) Add(oid, Text(value));
        return request;
    }

    private static byte[]? Names(LeafOptions options)
    {
        if (options is { Email: null, Uri: null, OtherName: null }) return null;
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            if (options.OtherName is { } other)
            {
                using var name = writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0));
                writer.WriteObjectIdentifier(options.OtherNameOid);
                using var value = writer.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 0));
                writer.WriteCharacterString(UniversalTagNumber.UTF8String, other);
            }
            if (options.Email is { } email) WriteName(writer, 1, email);
            if (options.Uri is { } uri) WriteName(writer, 6, uri);
        }
        return writer.Encode();
    }

    private static void WriteName(AsnWriter writer, int tag, string name) =>
        writer.WriteCharacterString(UniversalTagNumber.IA5String, name, new Asn1Tag(TagClass.ContextSpecific, tag));

    // RFC 6962 §3.2 and §3.3, written independently of the code under test.
    private byte[] Sct(X509Certificate2 before, LeafOptions options)
    {
        var tbs = new AsnReader(before.RawData, AsnEncodingRules.DER).ReadSequence().ReadEncodedValue().ToArray();
        var log = options.SctBy ?? Log;
        var time = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(time, options.SctAt.ToUnixTimeMilliseconds());
        byte[] issuer = SHA256.HashData(Intermediate.PublicKey.ExportSubjectPublicKeyInfo());
        byte[] length = [(byte)(tbs.Length >> 16), (byte)(tbs.Length >> 8), (byte)tbs.Length];
        byte[] signed = [0, 0, .. time, 0, 1, .. issuer, .. length, .. tbs, .. Vector(options.SctExtensions)];
        byte[] id = SHA256.HashData(log.Spki);
        byte[] signature = [4, options.SctScheme, .. Vector(log.Sign(signed))];
        byte[] sct = [0, .. id, .. time, .. Vector(options.SctExtensions), .. signature];
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteOctetString(Vector(Vector(sct)));
        return writer.Encode();
    }

    private static byte[] Vector(byte[] content) => [(byte)(content.Length >> 8), (byte)content.Length, .. content];

    private static byte[] Text(string value)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        writer.WriteCharacterString(UniversalTagNumber.UTF8String, value);
        return writer.Encode();
    }

    internal static CertificateRequest Request(string name, ECDsa key, int pathLength)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA384);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, pathLength, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return request;
    }

    internal static X509EnhancedKeyUsageExtension Usage(params string[] oids)
    {
        var usages = new OidCollection();
        foreach (var oid in oids) usages.Add(new Oid(oid));
        return new(usages, critical: false);
    }

    // The top bit is the sign.
    internal static byte[] Serial() => [0x01, .. RandomNumberGenerator.GetBytes(15)];
}
