using System.Runtime.InteropServices;

namespace Gateway.Policy.Signatures;

/// <summary>
/// Verifies Ed25519 (RFC 8032 §5.1.7) with OpenSSL's libcrypto, which .NET on Linux needs for all cryptography; .NET 10 has no type for
/// Ed25519. libcrypto refuses an S that is not below the group's order. This class also refuses keys and R that have a small order or are
/// not in canonical form.
/// </summary>
internal static partial class Ed25519
{
    /// <summary>Length of a key: one coordinate on its curve.</summary>
    public const int Bits = 8 * KeyLength;

    private const string Library = "libcrypto.so.3";
    private const int Type = 1087; // EVP_PKEY_ED25519, openssl/obj_mac.h
    private const int KeyLength = 32; // RFC 8032 §5.1.5
    private const int SignatureLength = 64; // RFC 8032 §5.1.6

    // SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING } around 32 bytes, which is the only encoding (RFC 8410 §4).
    private static ReadOnlySpan<byte> SpkiPrefix => [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

    // y of the points of order 1, 2, 4 and 8, little-endian: 1, p-1, 0, and the two of order 8. The top bit is the sign.
    private static readonly byte[][] SmallOrder =
    [
        Convert.FromHexString("0100000000000000000000000000000000000000000000000000000000000000"),
        Convert.FromHexString("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        Convert.FromHexString("0000000000000000000000000000000000000000000000000000000000000000"),
        Convert.FromHexString("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        Convert.FromHexString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ];

    /// <summary>Whether this is a SubjectPublicKeyInfo of an Ed25519 key.</summary>
    public static bool IsSpki(ReadOnlySpan<byte> spki) => spki.Length == SpkiPrefix.Length + KeyLength && spki.StartsWith(SpkiPrefix);

    /// <summary>Why this key cannot be used; null when it can.</summary>
    public static string? ProblemOf(ReadOnlySpan<byte> spki)
    {
        if (!IsSafePoint(spki[SpkiPrefix.Length..])) return "expected an Ed25519 key in canonical form and of large order";
        try
        {
            var key = EVP_PKEY_new_raw_public_key(Type, 0, spki[SpkiPrefix.Length..], KeyLength);
            EVP_PKEY_free(key);
            return key == 0 ? "expected an Ed25519 key, got bytes that OpenSSL does not take for one" : null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return $"Ed25519 needs OpenSSL 3 ({Library}), which is not installed here";
        }
    }

    /// <summary>Whether the key signed these bytes.</summary>
    public static bool Verify(ReadOnlySpan<byte> spki, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != SignatureLength || !IsSafePoint(signature[..KeyLength])) return false;
        var key = EVP_PKEY_new_raw_public_key(Type, 0, spki[SpkiPrefix.Length..], KeyLength);
        var context = EVP_MD_CTX_new();
        try
        {
            return key != 0 && context != 0 && EVP_DigestVerifyInit(context, 0, 0, 0, key) == 1
                && EVP_DigestVerify(context, signature, SignatureLength, message, (nuint)message.Length) == 1;
        }
        finally
        {
            EVP_MD_CTX_free(context);
            EVP_PKEY_free(key);
            ERR_clear_error(); // a failed check leaves an error for the next call on this thread
        }
    }

    // Canonical: y below p = 2^255 - 19. Small order: one of eight points, for which any signature verifies.
    private static bool IsSafePoint(ReadOnlySpan<byte> point)
    {
        Span<byte> y = stackalloc byte[KeyLength];
        point.CopyTo(y);
        y[^1] &= 0x7f;
        if (y[^1] == 0x7f && y[0] >= 0xed && !y[1..^1].ContainsAnyExcept((byte)0xff)) return false;
        foreach (var small in SmallOrder)
        {
            if (y.SequenceEqual(small)) return false;
        }
        return true;
    }

    [LibraryImport(Library)]
    private static partial nint EVP_PKEY_new_raw_public_key(int type, nint engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(Library)]
    private static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Library)]
    private static partial nint EVP_MD_CTX_new();

    [LibraryImport(Library)]
    private static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(Library)]
    private static partial int EVP_DigestVerifyInit(nint context, nint keyContext, nint hash, nint engine, nint key);

    [LibraryImport(Library)]
    private static partial int EVP_DigestVerify(
        nint context, ReadOnlySpan<byte> signature, nuint signatureLength, ReadOnlySpan<byte> message, nuint signedLength);

    [LibraryImport(Library)]
    private static partial void ERR_clear_error();
}
