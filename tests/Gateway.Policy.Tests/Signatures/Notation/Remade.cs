using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Tests.Signatures.Notation;

/// <summary>Certificates that were changed outside of what their issuer signed.</summary>
internal static class Remade
{
    /// <summary>The same certificate with s replaced by n - s in its issuer's signature on P-256, which is valid too.</summary>
    public static X509Certificate2 OtherSignature(X509Certificate2 certificate)
    {
        using var curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var order = new BigInteger(curve.ExportExplicitParameters(false).Curve.Order, isUnsigned: true, isBigEndian: true);
        var (body, algorithm, signature) = PartsOf(certificate);
        var numbers = new AsnReader(signature, AsnEncodingRules.DER).ReadSequence();
        var (r, s) = (numbers.ReadInteger(), numbers.ReadInteger());
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(r);
            writer.WriteInteger(order - s);
        }
        return Of(body, algorithm, writer.Encode());
    }

    /// <summary>The same certificate with NULL as a parameter of the algorithm that is not signed.</summary>
    public static X509Certificate2 OtherAlgorithm(X509Certificate2 certificate)
    {
        var (body, algorithm, signature) = PartsOf(certificate);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(new AsnReader(algorithm, AsnEncodingRules.DER).ReadSequence().ReadObjectIdentifier());
            writer.WriteNull();
        }
        return Of(body, writer.Encode(), signature);
    }

    private static (byte[] Body, byte[] Algorithm, byte[] Signature) PartsOf(X509Certificate2 certificate)
    {
        var parts = new AsnReader(certificate.RawData, AsnEncodingRules.DER).ReadSequence();
        return (parts.ReadEncodedValue().ToArray(), parts.ReadEncodedValue().ToArray(), parts.ReadBitString(out _));
    }

    private static X509Certificate2 Of(byte[] body, byte[] algorithm, byte[] signature)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(body);
            writer.WriteEncodedValue(algorithm);
            writer.WriteBitString(signature);
        }
        return X509CertificateLoader.LoadCertificate(writer.Encode());
    }
}
