using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>A private key of a test log: ECDSA P-256, or Ed25519 by libcrypto, because .NET 10 cannot sign with Ed25519.</summary>
internal sealed partial class TestLogKey
{
    private const string Library = "libcrypto.so.3";
    private const int Ed25519Type = 1087; // EVP_PKEY_ED25519, openssl/obj_mac.h
    private readonly byte[]? _seed;
    private readonly ECDsa? _ecdsa;

    private TestLogKey(ECDsa? ecdsa, byte[]? seed)
    {
        (_ecdsa, _seed) = (ecdsa, seed);
        Spki = ecdsa is not null ? ecdsa.ExportSubjectPublicKeyInfo() : Ed25519Spki(seed!);
    }

    public byte[] Spki { get; }

    public string Details => _ecdsa is null ? "PKIX_ED25519" : "PKIX_ECDSA_P256_SHA_256";

    public VerificationKey Public => VerificationKey.FromSpki(Spki).Key!;

    public static TestLogKey Ecdsa() => new(ECDsa.Create(ECCurve.NamedCurves.nistP256), null);

    public static TestLogKey Ed25519() => new(null, RandomNumberGenerator.GetBytes(32));

    public byte[] Sign(byte[] message) => _ecdsa is not null
        ? _ecdsa.SignData(message, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)
        : SignEd25519(message);

    private static byte[] Ed25519Spki(byte[] seed)
    {
        var key = EVP_PKEY_new_raw_private_key(Ed25519Type, 0, seed, 32);
        var point = new byte[32];
        nuint length = 32;
        Assert.Equal(1, EVP_PKEY_get_raw_public_key(key, point, ref length));
        EVP_PKEY_free(key);
        return [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, .. point]; // RFC 8410 §4
    }

    private byte[] SignEd25519(byte[] message)
    {
        var key = EVP_PKEY_new_raw_private_key(Ed25519Type, 0, _seed!, 32);
        var context = EVP_MD_CTX_new();
        var signature = new byte[64];
        nuint length = 64;
        Assert.Equal(1, EVP_DigestSignInit(context, 0, 0, 0, key));
        Assert.Equal(1, EVP_DigestSign(context, signature, ref length, message, (nuint)message.Length));
        EVP_MD_CTX_free(context);
        EVP_PKEY_free(key);
        return signature;
    }

    [LibraryImport(Library)]
    private static partial nint EVP_PKEY_new_raw_private_key(int type, nint engine, byte[] key, nuint length);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_get_raw_public_key(nint key, byte[] point, ref nuint length);

    [LibraryImport(Library)]
    private static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Library)]
    private static partial nint EVP_MD_CTX_new();

    [LibraryImport(Library)]
    private static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(Library)]
    private static partial int EVP_DigestSignInit(nint context, nint keyContext, nint hash, nint engine, nint key);

    [LibraryImport(Library)]
    private static partial int EVP_DigestSign(nint context, byte[] signature, ref nuint length, byte[] message, nuint messageLength);
}
