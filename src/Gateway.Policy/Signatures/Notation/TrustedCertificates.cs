using System.Security.Cryptography;
using Gateway.Policy.Signatures.Keyless;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>Reads the certificates of a store.</summary>
public static class TrustedCertificates
{
    // Chosen: a company has a handful of roots.
    private const int MaxCertificates = 64;

    /// <summary>Reads one or more certificates in PEM; text between the blocks is ignored. The problem is null on success.</summary>
    public static (ImmutableArray<ReadOnlyMemory<byte>> Certificates, string? Problem) Parse(string pem)
    {
        var found = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        for (var rest = pem.AsSpan(); PemEncoding.TryFind(rest, out var fields); rest = rest[fields.Location.End..])
        {
            if (rest[fields.Label] is not "CERTIFICATE" and var label)
                return ([], $"expected BEGIN CERTIFICATE, got BEGIN {Printable.Line(label, 40)}");
            var der = Convert.FromBase64String(rest[fields.Base64Data].ToString());
            using var certificate = Keyless.Certificates.Load(der);
            if (certificate is null) return ([], $"certificate {found.Count + 1} is not in DER");
            if (found.Count == MaxCertificates) return ([], $"expected at most {MaxCertificates} certificates, got more");
            found.Add(der);
        }
        return found.Count == 0 ? ([], "expected certificates in PEM (BEGIN CERTIFICATE), got none") : (found.ToImmutable(), null);
    }

    /// <summary>Reads the root certificate of a time stamper; it must be self-signed. One of the two results is null.</summary>
    public static (PinnedAuthority? Root, string? Problem) ToRoot(ReadOnlyMemory<byte> der)
    {
        using var certificate = Keyless.Certificates.Load(der.Span);
        if (certificate is null) return (null, "expected a certificate in DER");
        return certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData)
            ? (new(certificate.Subject, [der], new TimeRange(DateTimeOffset.MinValue, null)), null)
            : (null, $"expected roots of time stampers, got {Printable.Quote(certificate.Subject)}, which another one issued");
    }
}
