using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>A key has one scheme, and accepts nothing that is only similar to a signature (policy rows 26 and 27).</summary>
public sealed class VerificationKeyTests
{
    private static readonly byte[] Message = Encoding.UTF8.GetBytes("what is signed");
    private static readonly BigInteger Order = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493", null);

    [Theory]
    [InlineData("1.2.840.10045.3.1.7")]
    [InlineData("1.3.132.0.34")]
    [InlineData("1.3.132.0.35")]
    public void Ecdsa_key_verifies_only_with_the_configured_hash(string curve)
    {
        using var pair = ECDsa.Create(ECCurve.CreateFromValue(curve));
        var key = Read(pair.ExportSubjectPublicKeyInfoPem());
        (SignatureHash, HashAlgorithmName)[] hashes =
        [
            (SignatureHash.Sha256, HashAlgorithmName.SHA256), (SignatureHash.Sha384, HashAlgorithmName.SHA384),
            (SignatureHash.Sha512, HashAlgorithmName.SHA512),
        ];
        foreach (var (hash, name) in hashes)
        {
            var signature = pair.SignData(Message, name, DSASignatureFormat.Rfc3279DerSequence);

            Assert.True(key.Verify(Message, signature, hash));
            Assert.All(
                Enum.GetValues<SignatureHash>().Where(other => other != hash),
                other => Assert.False(key.Verify(Message, signature, other)));
        }
    }

    [Fact]
    public void Rsa_key_verifies_only_pkcs1_with_the_configured_hash()
    {
        using var pair = RSA.Create(2048);
        var key = Read(pair.ExportSubjectPublicKeyInfoPem());

        Assert.True(key.Verify(Message, pair.SignData(Message, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1), SignatureHash.Sha256));
        Assert.False(key.Verify(Message, pair.SignData(Message, HashAlgorithmName.SHA256, RSASignaturePadding.Pss), SignatureHash.Sha256));
        Assert.False(key.Verify(Message, pair.SignData(Message, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1), SignatureHash.Sha256));
        Assert.False(
            key.Verify(Message, pair.SignData(Message, HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1), SignatureHash.Sha256));
        Assert.False(key.Verify(Message, [], SignatureHash.Sha256));
        Assert.False(key.Verify(Message, new byte[256], SignatureHash.Sha256));
        Assert.False(
            key.Verify(Message, [0, .. pair.SignData(Message, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)], SignatureHash.Sha256));
    }

    /// <summary>RFC 8032 §7.1, tests 1 to 3.</summary>
    public static TheoryData<string, string, string> Rfc8032 => new()
    {
        {
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        },
        {
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        },
        {
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        },
    };

    [Theory]
    [MemberData(nameof(Rfc8032))]
    public void Ed25519_key_verifies_the_signatures_of_the_RFC_and_no_flipped_bit(string publicKey, string message, string signature)
    {
        var key = Ed25519(publicKey);
        var bytes = Convert.FromHexString(signature);

        Assert.True(key.Verify(Convert.FromHexString(message), bytes, SignatureHash.Sha256));
        Assert.False(key.Verify([.. Convert.FromHexString(message), 0], bytes, SignatureHash.Sha256));
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(key.Verify(Convert.FromHexString(message), bytes, SignatureHash.Sha256), $"bit {bit}");
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Theory]
    [MemberData(nameof(Rfc8032))]
    public void Ed25519_signature_in_another_form_is_refused(string publicKey, string message, string signature)
    {
        var key = Ed25519(publicKey);
        var (signed, bytes) = (Convert.FromHexString(message), Convert.FromHexString(signature));
        var s = new BigInteger(bytes.AsSpan(32), isUnsigned: true) + Order; // verifies where S is not bounded
        var malleated = s.ToByteArray(isUnsigned: true);

        Assert.False(key.Verify(signed, [.. bytes.AsSpan(0, 32), .. malleated], SignatureHash.Sha256));
        Assert.False(key.Verify(signed, bytes.AsSpan(0, 63), SignatureHash.Sha256));
        Assert.False(key.Verify(signed, [.. bytes, 0], SignatureHash.Sha256));
        Assert.False(key.Verify(signed, [], SignatureHash.Sha256));
    }

    [Theory]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")] // order 1
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")] // order 2
    [InlineData("0000000000000000000000000000000000000000000000000000000000000080")] // order 4
    [InlineData("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")] // order 8
    [InlineData("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85")] // order 8, negative
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")] // p, not canonical
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")] // p + 1, not canonical
    public void Ed25519_key_of_small_order_or_in_another_form_is_refused(string publicKey)
    {
        var (key, problem) = VerificationKey.FromSpki(Ed25519Spki(publicKey));

        Assert.Null(key);
        Assert.Contains("Ed25519", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Ed25519_signature_with_an_R_of_small_order_is_refused()
    {
        var key = Ed25519("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        byte[] identity = [1, .. new byte[31]];

        Assert.False(key.Verify(Message, [.. identity, .. new byte[32]], SignatureHash.Sha256));
    }

    [Fact]
    public void Ecdsa_signature_must_be_strict_der()
    {
        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var key = Read(pair.ExportSubjectPublicKeyInfoPem());
        for (var i = 0; i < 20; i++)
        {
            var good = pair.SignData(Message, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
            var body = good.AsSpan(2).ToArray();
            byte[][] bad =
            [
                pair.SignData(Message, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
                [.. good, 0], good[..^1], [0x30, 0x81, (byte)body.Length, .. body], [0x30, 0x80, .. body, 0, 0], [0x31, .. good[1..]],
                [0x30, (byte)(body.Length + 1), 0x02, (byte)(body[1] + 1), 0, .. body[2..]], // R with a zero too many
                [0x30, (byte)(body.Length + 2), .. body, 0x05, 0x00], // something after S
            ];
            Assert.True(key.Verify(Message, good, SignatureHash.Sha256));
            Assert.All(bad, (signature, n) => Assert.False(key.Verify(Message, signature, SignatureHash.Sha256), $"case {n}"));
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    [InlineData(-1, 1)]
    public void Ecdsa_signature_of_special_numbers_is_refused(int r, int s)
    {
        var key = TestKey.Ecdsa().Public;
        foreach (var (a, b) in new (BigInteger, BigInteger)[] { (r, s), (r + P256Order, s), (r, s + P256Order), (P256Order, P256Order) })
            Assert.False(key.Verify(Message, Der(a, b), SignatureHash.Sha256));
    }

    [Fact]
    public void Fingerprint_does_not_depend_on_how_the_PEM_is_written()
    {
        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pem = pair.ExportSubjectPublicKeyInfoPem();

        Assert.Equal(
            Read(pem).Fingerprint, Read($"# the release key\n{pem.Replace("\n", "\r\n", StringComparison.Ordinal)}\n").Fingerprint);
        Assert.NotEqual(Read(pem).Fingerprint, TestKey.Ecdsa().Public.Fingerprint);
    }

    [Fact]
    public void Weak_key_is_refused_and_the_message_says_what_was_expected()
    {
        using var small = RSA.Create(1024);
        using var curve = ECDsa.Create(ECCurve.CreateFromValue("1.3.132.0.10")); // secp256k1
        AssertRefused(small.ExportSubjectPublicKeyInfoPem(), "2048 to 8192 bits, got 1024");
        AssertRefused(curve.ExportSubjectPublicKeyInfoPem(), "P-256, P-384 or P-521");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(65536)]
    public void Rsa_exponent_that_is_small_or_even_is_refused(int exponent)
    {
        using var pair = RSA.Create(2048);
        var modulus = pair.ExportParameters(false).Modulus!;
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier("1.2.840.113549.1.1.1");
                writer.WriteNull();
            }
            var key = new AsnWriter(AsnEncodingRules.DER);
            using (key.PushSequence())
            {
                key.WriteIntegerUnsigned(modulus);
                key.WriteInteger(exponent);
            }
            writer.WriteBitString(key.Encode());
        }

        Assert.Null(VerificationKey.FromSpki(writer.Encode()).Key);
    }

    [Fact]
    public void Text_that_is_not_a_public_key_is_refused()
    {
        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pem = pair.ExportSubjectPublicKeyInfoPem();
        AssertRefused("", "got no PEM");
        AssertRefused(pair.ExportPkcs8PrivateKeyPem(), "got BEGIN PRIVATE KEY");
        AssertRefused(pem + "\n" + pem, "more than one PEM block");
        AssertRefused(PemEncoding.WriteString("PUBLIC KEY", [0x30, 0x00]), "got something else");
        AssertRefused(PemEncoding.WriteString("PUBLIC KEY", [.. pair.ExportSubjectPublicKeyInfo(), 0]), "expected");
    }

    private static readonly BigInteger P256Order = BigInteger.Parse(
        "0FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", System.Globalization.NumberStyles.HexNumber, null);

    private static byte[] Der(BigInteger r, BigInteger s)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(r);
            writer.WriteInteger(s);
        }
        return writer.Encode();
    }

    private static VerificationKey Read(string pem) => VerificationKey.Parse(pem).Key!;

    private static byte[] Ed25519Spki(string publicKey) => Convert.FromHexString("302a300506032b6570032100" + publicKey);

    private static VerificationKey Ed25519(string publicKey) => VerificationKey.FromSpki(Ed25519Spki(publicKey)).Key!;

    private static void AssertRefused(string pem, string why)
    {
        var (key, problem) = VerificationKey.Parse(pem);
        Assert.Null(key);
        Assert.Contains(why, problem, StringComparison.Ordinal);
    }
}
