using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>An RFC 3161 time stamper with a root and a certificate of its own.</summary>
internal sealed class TestStamper
{
    private const string Stamping = "1.3.6.1.5.5.7.3.8";

    public TestStamper(DateTimeOffset notBefore, TimeSpan lifetime, string[]? usages = null, X509Certificate2? root = null)
    {
        var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        var rootRequest = TestFulcio.Request("CN=stamper root,O=test.example", rootKey, pathLength: 0);
        Root = root ?? rootRequest.CreateSelfSigned(notBefore, notBefore + lifetime);
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=stamper,O=test.example", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        var usage = TestFulcio.Usage(usages ?? [Stamping]);
        usage.Critical = true;
        request.CertificateExtensions.Add(usage);
        Certificate = request.Create(Root, notBefore, notBefore + lifetime, TestFulcio.Serial()).CopyWithPrivateKey(key);
    }

    public X509Certificate2 Root { get; }

    public X509Certificate2 Certificate { get; }

    /// <summary>A TimeStampResp over the bytes.</summary>
    /// <param name="also">A further certificate in the stamp, which nobody signed to be there.</param>
    public byte[] Stamp(
        byte[] content, DateTimeOffset time, bool embed = true, int status = 0, bool sha1 = false, X509Certificate2? also = null)
    {
        var cms = new SignedCms(new ContentInfo(new Oid("1.2.840.113549.1.9.16.1.4"), Info(content, time, sha1)));
        var signer = new CmsSigner(Certificate)
        {
            IncludeOption = embed ? X509IncludeOption.EndCertOnly : X509IncludeOption.None,
            DigestAlgorithm = new Oid("2.16.840.1.101.3.4.2.1"),
        };
        signer.SignedAttributes.Add(new AsnEncodedData(new Oid("1.2.840.113549.1.9.16.2.47"), SigningCertificate()));
        cms.ComputeSignature(signer);
        if (also is not null) cms.AddCertificate(also);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            using (writer.PushSequence()) writer.WriteInteger(status);
            writer.WriteEncodedValue(cms.Encode());
        }
        return writer.Encode();
    }

    // TSTInfo, RFC 3161 §2.4.2.
    private static byte[] Info(byte[] content, DateTimeOffset time, bool sha1)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(1);
            writer.WriteObjectIdentifier("1.3.6.1.4.1.57264.2");
            using (writer.PushSequence())
            {
                using (writer.PushSequence()) writer.WriteObjectIdentifier(sha1 ? "1.3.14.3.2.26" : "2.16.840.1.101.3.4.2.1");
#pragma warning disable CA5350 // a time stamp that must be refused
                writer.WriteOctetString(sha1 ? SHA1.HashData(content) : SHA256.HashData(content));
#pragma warning restore CA5350
            }
            writer.WriteInteger(RandomNumberGenerator.GetBytes(8).Prepend((byte)0x01).ToArray());
            writer.WriteGeneralizedTime(time, omitFractionalSeconds: true);
        }
        return writer.Encode();
    }

    // SigningCertificateV2 with SHA-256, the default (RFC 5035 §3).
    private byte[] SigningCertificate()
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        using (writer.PushSequence())
        using (writer.PushSequence())
        {
            writer.WriteOctetString(SHA256.HashData(Certificate.RawData));
        }
        return writer.Encode();
    }
}
