using System.Security.Cryptography;
using Gateway.Policy.Signatures;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>A key pair of a test; it exists only in the process.</summary>
internal sealed class TestKey
{
    private readonly Func<byte[], byte[]> _sign;

    private TestKey(string pem, Func<byte[], byte[]> sign)
    {
        (Pem, _sign) = (pem, sign);
        Public = VerificationKey.Parse(pem).Key!;
    }

    public string Pem { get; }

    public VerificationKey Public { get; }

    public static TestKey Ecdsa(ECCurve? curve = null)
    {
        var key = ECDsa.Create(curve ?? ECCurve.NamedCurves.nistP256);
        return new(
            key.ExportSubjectPublicKeyInfoPem(),
            bytes => key.SignData(bytes, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
    }

    public static TestKey Rsa(int bits = 2048, RSASignaturePadding? padding = null, HashAlgorithmName? hash = null)
    {
        var key = RSA.Create(bits);
        return new(
            key.ExportSubjectPublicKeyInfoPem(),
            bytes => key.SignData(bytes, hash ?? HashAlgorithmName.SHA256, padding ?? RSASignaturePadding.Pkcs1));
    }

    public byte[] Sign(byte[] bytes) => _sign(bytes);
}
