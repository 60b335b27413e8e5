using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// The Notary Project's requirements for a signing chain (signature-specification.md, "Certificate Requirements"): leaf first, each issued
/// by the next, a root last. Trust and validity are not part of it. Other extensions are not evaluated, as the specification requires.
/// </summary>
internal static class SigningChain
{
    // RFC 5280 §4.2.1.
    private const string KeyUsageOid = "2.5.29.15";
    private const string BasicConstraintsOid = "2.5.29.19";
    private const string ExtendedKeyUsageOid = "2.5.29.37";

    private const X509KeyUsageFlags NotOfLeafs =
        X509KeyUsageFlags.KeyEncipherment | X509KeyUsageFlags.DataEncipherment | X509KeyUsageFlags.KeyAgreement
        | X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign | X509KeyUsageFlags.EncipherOnly | X509KeyUsageFlags.DecipherOnly;

    // Any, TLS servers and clients, mail, time stamping; OCSP as the notation tool has it (RFC 5280 §4.2.1.12).
    private static readonly string[] OtherUsages =
    [
        "2.5.29.37.0", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9",
    ];

    /// <summary>Why this is not a signing chain; null when it is one.</summary>
    /// <exception cref="CryptographicException">An extension cannot be read.</exception>
    /// <exception cref="AsnContentException">A certificate cannot be read.</exception>
    public static string? ProblemOf(IReadOnlyList<X509Certificate2> chain)
    {
        for (var i = 0; i < chain.Count; i++)
        {
            var isLast = i == chain.Count - 1;
            var problem = (i == 0 ? ProblemOfLeaf(chain[0]) : ProblemOfAuthority(chain[i], below: i - 1))
                ?? ProblemOfIssue(chain[i], chain[isLast ? i : i + 1])
                ?? (!isLast && IsSelfIssued(chain[i]) ? "is self-signed before the end of the chain" : null);
            if (problem is not null) return $"certificate {i + 1} of {chain.Count}, {Printable.Quote(chain[i].Subject)}, {problem}";
        }
        return null;
    }

    private static string? ProblemOfLeaf(X509Certificate2 leaf)
    {
        if (ProblemOfExtensions(leaf) is { } twice) return twice;
        if (Find<X509BasicConstraintsExtension>(leaf, BasicConstraintsOid) is { CertificateAuthority: true })
            return "is an authority's, expected a signer's";
        if (Find<X509KeyUsageExtension>(leaf, KeyUsageOid) is not { Critical: true } usage) return "lacks a critical key usage";
        if (!usage.KeyUsages.HasFlag(X509KeyUsageFlags.DigitalSignature)) return "lacks the key usage digitalSignature";
        if ((usage.KeyUsages & NotOfLeafs) is not X509KeyUsageFlags.None and var other) return $"has the key usage {other} too";
        var extended = Find<X509EnhancedKeyUsageExtension>(leaf, ExtendedKeyUsageOid);
        var wrong = extended?.EnhancedKeyUsages.Cast<Oid>().FirstOrDefault(static one => OtherUsages.Contains(one.Value));
        return wrong is null ? null : $"has the extended key usage {wrong.Value}, expected codeSigning or none";
    }

    private static string? ProblemOfAuthority(X509Certificate2 authority, int below)
    {
        if (ProblemOfExtensions(authority) is { } twice) return twice;
        var constraints = Find<X509BasicConstraintsExtension>(authority, BasicConstraintsOid);
        if (constraints is not { Critical: true, CertificateAuthority: true })
            return "is no authority's: expected critical basic constraints with cA";
        if (constraints.HasPathLengthConstraint && constraints.PathLengthConstraint < below)
            return $"allows {constraints.PathLengthConstraint} authorities below it, got {below}";
        if (Find<X509KeyUsageExtension>(authority, KeyUsageOid) is not { Critical: true } usage) return "lacks a critical key usage";
        return usage.KeyUsages.HasFlag(X509KeyUsageFlags.KeyCertSign) ? null : "lacks the key usage keyCertSign";
    }

    // RFC 5280 §4.2: each extension once; readers differ in which of two they take.
    private static string? ProblemOfExtensions(X509Certificate2 certificate) =>
        certificate.Extensions.GroupBy(static one => one.Oid?.Value).FirstOrDefault(static same => same.Count() > 1) is { } twice
            ? $"has the extension {twice.Key} twice"
            : null;

    private static T? Find<T>(X509Certificate2 certificate, string oid)
        where T : X509Extension => (T?)certificate.Extensions.FirstOrDefault(one => one.Oid?.Value == oid);

    private static string? ProblemOfIssue(X509Certificate2 certificate, X509Certificate2 issuer)
    {
        var who = Printable.Quote(issuer.Subject);
        if (!certificate.IssuerName.RawData.AsSpan().SequenceEqual(issuer.SubjectName.RawData)) return $"names another issuer than {who}";
        var (key, problem) = VerificationKey.Of(issuer);
        if (key is null) return $"is issued by {who}, whose key cannot be used: {problem}";
        var signed = Signed.Read(certificate.RawDataMemory);
        if (!signed.StatesOneAlgorithm) return "states two signature algorithms";
        if (SchemeOf(signed.Algorithm) is not var (kind, hash))
            return $"is signed by {signed.Algorithm}, expected ECDSA, RSA (PKCS #1 v1.5) or Ed25519 with SHA-256, SHA-384 or SHA-512";
        return kind == key.Algorithm && key.Verify(signed.Content.Span, signed.Signature, hash) ? null : $"is not signed by {who}";
    }

    private static bool IsSelfIssued(X509Certificate2 certificate) => ProblemOfIssue(certificate, certificate) is null;

    // RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3. What hashes with SHA-1 or MD5 is not there.
    private static (KeyAlgorithm, SignatureHash)? SchemeOf(string oid) => oid switch
    {
        "1.2.840.10045.4.3.2" => (KeyAlgorithm.Ecdsa, SignatureHash.Sha256),
        "1.2.840.10045.4.3.3" => (KeyAlgorithm.Ecdsa, SignatureHash.Sha384),
        "1.2.840.10045.4.3.4" => (KeyAlgorithm.Ecdsa, SignatureHash.Sha512),
        "1.2.840.113549.1.1.11" => (KeyAlgorithm.Rsa, SignatureHash.Sha256),
        "1.2.840.113549.1.1.12" => (KeyAlgorithm.Rsa, SignatureHash.Sha384),
        "1.2.840.113549.1.1.13" => (KeyAlgorithm.Rsa, SignatureHash.Sha512),
        "1.3.101.112" => (KeyAlgorithm.Ed25519, SignatureHash.Sha512),
        _ => null,
    };

    /// <summary>
    /// SHA-256 of a certificate in lower-case hex, in each form that it can have. Anyone can replace s by n - s in an ECDSA signature of
    /// its issuer: the certificate stays valid, and its hash changes. All other bytes of a chain without problems are signed.
    /// </summary>
    public static IEnumerable<string> ThumbprintsOf(X509Certificate2 certificate, X509Certificate2 issuer)
    {
        yield return Convert.ToHexStringLower(SHA256.HashData(certificate.RawDataMemory.Span));
        using var key = issuer.GetECDsaPublicKey();
        if (key is null) yield break;
        var order = new BigInteger(key.ExportExplicitParameters(false).Curve.Order, isUnsigned: true, isBigEndian: true);
        yield return Convert.ToHexStringLower(SHA256.HashData(Signed.Read(certificate.RawDataMemory).Mirrored(order)));
    }

    // Certificate, RFC 5280 §4.1: what is signed, by which scheme, and the signature.
    private readonly record struct Signed(ReadOnlyMemory<byte> Content, ReadOnlyMemory<byte> Scheme, byte[] Signature)
    {
        public string Algorithm => new AsnReader(Scheme, AsnEncodingRules.DER).ReadSequence().ReadObjectIdentifier();

        // RFC 5280 §4.1.1.2: the scheme beside the signature is the one in what is signed.
        public bool StatesOneAlgorithm
        {
            get
            {
                var content = new AsnReader(Content, AsnEncodingRules.DER).ReadSequence();
                if (content.PeekTag().TagClass == TagClass.ContextSpecific) content.ReadEncodedValue(); // the version
                content.ReadEncodedValue(); // the serial number
                return content.ReadEncodedValue().Span.SequenceEqual(Scheme.Span);
            }
        }

        public static Signed Read(ReadOnlyMemory<byte> der)
        {
            var certificate = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
            var (content, scheme) = (certificate.ReadEncodedValue(), certificate.ReadEncodedValue());
            var signature = certificate.ReadBitString(out var unused);
            certificate.ThrowIfNotEmpty();
            return unused == 0 ? new(content, scheme, signature) : throw new AsnContentException("expected whole bytes, got bits");
        }

        public byte[] Mirrored(BigInteger order)
        {
            var numbers = new AsnReader(Signature, AsnEncodingRules.DER).ReadSequence();
            var writer = new AsnWriter(AsnEncodingRules.DER);
            using (writer.PushSequence())
            {
                writer.WriteEncodedValue(Content.Span);
                writer.WriteEncodedValue(Scheme.Span);
                var signature = new AsnWriter(AsnEncodingRules.DER);
                using (signature.PushSequence())
                {
                    signature.WriteInteger(numbers.ReadInteger());
                    signature.WriteInteger(order - numbers.ReadInteger());
                }
                writer.WriteBitString(signature.Encode());
            }
            return writer.Encode();
        }
    }
}
