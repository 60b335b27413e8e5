using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// The key of a signing certificate with its one scheme (signature-specification.md, "Algorithm Selection"). Nothing in the envelope can
/// ask for another.
/// </summary>
/// <param name="Algorithm">The scheme by its name in JWS (RFC 7518 §3.1).</param>
/// <param name="Spki">The key, SubjectPublicKeyInfo in DER.</param>
internal sealed record SigningKey(string Algorithm, ReadOnlyMemory<byte> Spki)
{
    /// <summary>The schemes that there are; <c>none</c> and whatever needs a shared secret are not among them.</summary>
    public static readonly ImmutableArray<string> Algorithms = ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    /// <summary>The certificate's key. Exactly one of the two results is null.</summary>
    public static (SigningKey? Key, string? Problem) Of(X509Certificate2 certificate)
    {
        var (key, problem) = VerificationKey.FromSpki(certificate.PublicKey.ExportSubjectPublicKeyInfo());
        if (key is null) return (null, problem);
        var bits = key.Algorithm == KeyAlgorithm.Ed25519 ? 0 : BitsOf(key);
        var algorithm = (key.Algorithm, bits) switch
        {
            (KeyAlgorithm.Rsa, 2048) => "PS256",
            (KeyAlgorithm.Rsa, 3072) => "PS384",
            (KeyAlgorithm.Rsa, 4096) => "PS512",
            (KeyAlgorithm.Ecdsa, 256) => "ES256",
            (KeyAlgorithm.Ecdsa, 384) => "ES384",
            (KeyAlgorithm.Ecdsa, 521) => "ES512",
            _ => null,
        };
        return algorithm is null
            ? (null, $"expected RSA of 2048, 3072 or 4096 bits, or ECDSA on P-256, P-384 or P-521, got {key.Algorithm} of {bits} bits")
            : (new(algorithm, key.Spki), null);
    }

    /// <summary>Whether this key signed these bytes.</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        var hash = Algorithm[2..] switch
        {
            "256" => HashAlgorithmName.SHA256,
            "384" => HashAlgorithmName.SHA384,
            _ => HashAlgorithmName.SHA512,
        };
        try
        {
            return Algorithm[0] == 'E' ? VerifyEcdsa(message, signature, hash) : VerifyRsa(message, signature, hash);
        }
        catch (CryptographicException)
        {
            return false; // not even the form of a signature
        }
    }

    private bool VerifyEcdsa(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature, HashAlgorithmName hash)
    {
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(Spki.Span, out _);
        return key.VerifyData(message, signature, hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    // RFC 7518 §3.5: the salt is as long as the hash, which is what .NET asks for.
    private bool VerifyRsa(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature, HashAlgorithmName hash)
    {
        using var key = RSA.Create();
        key.ImportSubjectPublicKeyInfo(Spki.Span, out _);
        return key.VerifyData(message, signature, hash, RSASignaturePadding.Pss);
    }

    private static int BitsOf(VerificationKey key)
    {
        using AsymmetricAlgorithm algorithm = key.Algorithm == KeyAlgorithm.Rsa ? RSA.Create() : ECDsa.Create();
        algorithm.ImportSubjectPublicKeyInfo(key.Spki.Span, out _);
        return algorithm.KeySize;
    }
}
