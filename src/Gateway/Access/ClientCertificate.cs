using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Configuration;

namespace Gateway.Access;

/// <summary>
/// The client's identity by its connection's certificate. Only the handshake that verified the certificate sets it.
/// </summary>
/// <param name="Actor"><c>cert:</c> and the name in the configured field.</param>
/// <param name="Until">When the certificate expires; a connection can last longer.</param>
internal sealed record ClientCertificate(string Actor, DateTimeOffset Until)
{
    /// <summary>Extended key usage "client authentication" (RFC 5280, 4.2.1.12).</summary>
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private const string SubjectAlternativeName = "2.5.29.17";

    private const string CommonName = "2.5.4.3";

    /// <summary>The same limit as for an issuer's actors.</summary>
    private const int MaxName = 255;

    /// <summary>The chain policy: these roots only, without network requests.</summary>
    public static X509ChainPolicy PolicyOf(X509Certificate2Collection roots)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            // A certificate can name addresses of its issuers; the gateway must not connect to addresses that a stranger chooses.
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(roots);
        policy.ApplicationPolicy.Add(new(ClientAuthentication));
        return policy;
    }

    /// <summary>
    /// Reads the client from a certificate whose chain was verified; otherwise the reason, in one line, why it names no client.
    /// </summary>
    public static (ClientCertificate? Read, string Problem) Read(X509Certificate2 certificate, CertificateName field)
    {
        // Without the extension a certificate is valid for any use; here it must be explicitly meant for clients.
        var usages = certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().SelectMany(e => e.EnhancedKeyUsages.Cast<Oid>());
        if (!usages.Any(usage => usage.Value == ClientAuthentication))
            return (null, "expected the extended key usage clientAuth, got none");
        var names = NamesIn(certificate, field);
        return names is [{ Length: > 0 and <= MaxName } name] && !name.Any(char.IsControl)
            ? (new(AccessSchema.CertificateActor + name, certificate.NotAfter.ToUniversalTime()), "")
            : (null, $"expected one {field} that names the client, got {names.Count}");
    }

    private static List<string> NamesIn(X509Certificate2 certificate, CertificateName field)
    {
        try
        {
            return field switch
            {
                CertificateName.CommonName => [.. CommonNames(certificate)],
                CertificateName.Email => AlternativeNames(certificate, 1),
                CertificateName.Dns => AlternativeNames(certificate, 2),
                _ => AlternativeNames(certificate, 6),
            };
        }
        catch (Exception problem) when (problem is AsnContentException or CryptographicException or InvalidOperationException)
        {
            return [];
        }
    }

    private static IEnumerable<string> CommonNames(X509Certificate2 certificate) =>
        from part in certificate.SubjectName.EnumerateRelativeDistinguishedNames(reversed: false)
        where !part.HasMultipleElements && part.GetSingleElementType().Value == CommonName
        select part.GetSingleElementValue() ?? "";

    /// <param name="kind">The choice of GeneralName (RFC 5280, 4.2.1.6): 1 rfc822Name, 2 dNSName, 6 uniformResourceIdentifier.</param>
    private static List<string> AlternativeNames(X509Certificate2 certificate, int kind)
    {
        var found = new List<string>();
        if (certificate.Extensions[SubjectAlternativeName] is not { } extension) return found;
        var wanted = new Asn1Tag(TagClass.ContextSpecific, kind);
        var names = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
        while (names.HasData)
        {
            if (names.PeekTag().HasSameClassAndValue(wanted)) found.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, wanted));
            else names.ReadEncodedValue();
        }
        return found;
    }
}
