using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// The key of a signing certificate with its one scheme (signature-specification.md, "Algorithm Selection"). Nothing in the envelope can
/// select another.
/// </summary>
/// <param name="Algorithm">The scheme by its name in JWS (RFC 7518 §3.1).</param>
internal sealed record SigningKey(string Algorithm, VerificationKey Key)
{
    /// <summary>The supported schemes; <c>none</c> and schemes with a shared secret are not among them.</summary>
    public static readonly ImmutableArray<string> Algorithms = ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    /// <summary>The certificate's key. Exactly one of the two results is null.</summary>
    public static (SigningKey? Key, string? Problem) Of(X509Certificate2 certificate)
    {
        var (key, problem) = VerificationKey.Of(certificate);
        if (key is null) return (null, problem);
        var algorithm = (key.Algorithm, key.Bits) switch
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
            ? (null, $"expected RSA of 2048, 3072 or 4096 bits, or ECDSA on P-256, P-384 or P-521, got {key.Algorithm} of {key.Bits} bits")
            : (new(algorithm, key), null);
    }

    /// <summary>Whether this key signed these bytes, in the forms of JWS: for RSA a salt as long as the hash (RFC 7518 §3.5).</summary>
    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        var hash = Algorithm[2..] switch
        {
            "256" => HashAlgorithmName.SHA256,
            "384" => HashAlgorithmName.SHA384,
            _ => HashAlgorithmName.SHA512,
        };
        return Key.Verify(message, signature, hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation, RSASignaturePadding.Pss);
    }
}
