using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures;

/// <summary>The kinds of verification keys.</summary>
public enum KeyAlgorithm
{
    /// <summary>ECDSA on P-256, P-384 or P-521; signatures in strict DER.</summary>
    Ecdsa,

    /// <summary>RSA of 2048 to 8192 bits; signatures by PKCS #1 v1.5.</summary>
    Rsa,

    /// <summary>Ed25519 without a prehash.</summary>
    Ed25519,
}

/// <summary>
/// A public key that was checked when it was read. Key and configuration decide the scheme: nothing in a signed object can select another.
/// Safe for concurrent use.
/// </summary>
public sealed class VerificationKey
{
    // The limits of cosign's key types. Smaller keys can be factored; larger keys make each check slow enough for denial of service.
    private const int MinRsaBits = 2048;
    private const int MaxRsaBits = 8192;

    private static readonly string[] Curves =
        [ECCurve.NamedCurves.nistP256.Oid.Value!, ECCurve.NamedCurves.nistP384.Oid.Value!, ECCurve.NamedCurves.nistP521.Oid.Value!];

    private VerificationKey(KeyAlgorithm algorithm, int bits, byte[] spki) => (Algorithm, Bits, Spki, Fingerprint) =
        (algorithm, bits, spki, "SHA256:" + Convert.ToHexStringLower(SHA256.HashData(spki)));

    /// <summary>The kind of key, which decides the scheme.</summary>
    public KeyAlgorithm Algorithm { get; }

    /// <summary>Length in bits of RSA's modulus, or of a coordinate on the curve.</summary>
    public int Bits { get; }

    /// <summary>The key as SubjectPublicKeyInfo in DER, in its canonical form.</summary>
    public ReadOnlyMemory<byte> Spki { get; }

    /// <summary><c>SHA256:</c> and the hash of <see cref="Spki"/> in hex: the same for the same key under any id.</summary>
    public string Fingerprint { get; }

    /// <summary>Reads the PEM of one public key (<c>BEGIN PUBLIC KEY</c>). Exactly one of the two results is null.</summary>
    public static (VerificationKey? Key, string? Problem) Parse(string pem)
    {
        if (!PemEncoding.TryFind(pem, out var fields)) return (null, "expected a public key in PEM (BEGIN PUBLIC KEY), got no PEM");
        if (pem[fields.Label] is not "PUBLIC KEY" and var label)
            return (null, $"expected a public key in PEM (BEGIN PUBLIC KEY), got BEGIN {Printable.Line(label, 40)}");
        if (PemEncoding.TryFind(pem.AsSpan(fields.Location.End.Value), out _))
            return (null, "expected one public key, got more than one PEM block");
        return FromSpki(Convert.FromBase64String(pem[fields.Base64Data]));
    }

    /// <summary>The key of a certificate. Exactly one of the two results is null.</summary>
    public static (VerificationKey? Key, string? Problem) Of(X509Certificate2 certificate) =>
        FromSpki(certificate.PublicKey.ExportSubjectPublicKeyInfo());

    /// <summary>Reads a SubjectPublicKeyInfo in DER. Exactly one of the two results is null.</summary>
    public static (VerificationKey? Key, string? Problem) FromSpki(ReadOnlySpan<byte> spki)
    {
        try
        {
            if (Ed25519.IsSpki(spki)) return FromEd25519(spki.ToArray());
            return AlgorithmOf(spki) == KeyAlgorithm.Ecdsa ? FromEcdsa(spki) : FromRsa(spki);
        }
        catch (Exception e) when (e is CryptographicException or PlatformNotSupportedException) // the latter for a curve it does not know
        {
            return (null, "expected a public key of ECDSA P-256, P-384 or P-521, RSA or Ed25519, got something else");
        }
    }

    private static KeyAlgorithm AlgorithmOf(ReadOnlySpan<byte> spki) =>
        PublicKeyOid(spki) == "1.2.840.10045.2.1" ? KeyAlgorithm.Ecdsa : KeyAlgorithm.Rsa; // id-ecPublicKey, RFC 5480 §2.1.1

    private static string PublicKeyOid(ReadOnlySpan<byte> spki) =>
        PublicKey.CreateFromSubjectPublicKeyInfo(spki, out _).Oid.Value ?? "";

    private static (VerificationKey?, string?) FromEcdsa(ReadOnlySpan<byte> spki)
    {
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(spki, out var read);
        var curve = key.ExportParameters(includePrivateParameters: false).Curve;
        if (read != spki.Length || !curve.IsNamed || !Curves.Contains(curve.Oid.Value))
            return (null, "expected an ECDSA key on P-256, P-384 or P-521, got one on another curve");
        return (new(KeyAlgorithm.Ecdsa, key.KeySize, key.ExportSubjectPublicKeyInfo()), null);
    }

    private static (VerificationKey?, string?) FromRsa(ReadOnlySpan<byte> spki)
    {
        using var key = RSA.Create();
        key.ImportSubjectPublicKeyInfo(spki, out var read);
        if (read != spki.Length || key.KeySize is < MinRsaBits or > MaxRsaBits)
            return (null, $"expected an RSA key of {MinRsaBits} to {MaxRsaBits} bits, got {key.KeySize}");
        // FIPS 186-5 §A.1.1: odd and above 2^16. Exponent 1 makes every message its own signature.
        var exponent = key.ExportParameters(includePrivateParameters: false).Exponent!;
        if (exponent.Length < 3 || exponent[^1] % 2 == 0) return (null, "expected an RSA key whose exponent is odd and at least 65537");
        return (new(KeyAlgorithm.Rsa, key.KeySize, key.ExportSubjectPublicKeyInfo()), null);
    }

    private static (VerificationKey?, string?) FromEd25519(byte[] spki) =>
        Ed25519.ProblemOf(spki) is { } problem ? (null, problem) : (new(KeyAlgorithm.Ed25519, Ed25519.Bits, spki), null);

    /// <summary>Whether this key signed these bytes, by its one scheme with this hash (Ed25519 ignores it).</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature, SignatureHash hash) =>
        Verify(message, signature, NameOf(hash), DSASignatureFormat.Rfc3279DerSequence, RSASignaturePadding.Pkcs1);

    /// <summary>The same, with another format's encoding of ECDSA and RSA signatures.</summary>
    internal bool Verify(
        ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature, HashAlgorithmName hash, DSASignatureFormat ecdsa, RSASignaturePadding rsa)
    {
        try
        {
            return Algorithm switch
            {
                KeyAlgorithm.Ecdsa => VerifyEcdsa(message, signature, hash, ecdsa),
                KeyAlgorithm.Rsa => VerifyRsa(message, signature, hash, rsa),
                _ => Ed25519.Verify(Spki.Span, message, signature),
            };
        }
        catch (CryptographicException)
        {
            return false; // not even the form of a signature
        }
    }

    // A key object for each call: .NET does not guarantee that several threads can use one.
    private bool VerifyEcdsa(
        ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature, HashAlgorithmName hash, DSASignatureFormat format)
    {
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(Spki.Span, out _);
        return key.VerifyData(message, signature, hash, format);
    }

    private bool VerifyRsa(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature, HashAlgorithmName hash, RSASignaturePadding padding)
    {
        using var key = RSA.Create();
        key.ImportSubjectPublicKeyInfo(Spki.Span, out _);
        return key.VerifyData(message, signature, hash, padding);
    }

    private static HashAlgorithmName NameOf(SignatureHash hash) => hash switch
    {
        SignatureHash.Sha384 => HashAlgorithmName.SHA384,
        SignatureHash.Sha512 => HashAlgorithmName.SHA512,
        _ => HashAlgorithmName.SHA256,
    };
}
