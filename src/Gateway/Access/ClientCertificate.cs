using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Configuration;

namespace Gateway.Access;

/// <summary>
/// Who a connection's certificate says its client is: set on the connection by the handshake that verified it, and by nothing else.
/// </summary>
/// <param name="Actor"><c>cert:</c> and the name in the configured field.</param>
/// <param name="Until">When the certificate ends; connections may live longer.</param>
internal sealed record ClientCertificate(string Actor, DateTimeOffset Until)
{
    /// <summary>Extended key usage "client authentication" (RFC 5280, 4.2.1.12).</summary>
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private const string SubjectAlternativeName = "2.5.29.17";

    private const string CommonName = "2.5.4.3";

    /// <summary>As an issuer's actors.</summary>
    private const int MaxName = 255;

    /// <summary>How chains are verified: to these roots alone, asking nobody on the network.</summary>
    public static X509ChainPolicy PolicyOf(X509Certificate2Collection roots)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            // A certificate may name addresses to fetch its issuers from: a stranger's word is no reason to go there.
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(roots);
        policy.ApplicationPolicy.Add(new(ClientAuthentication));
        return policy;
    }

    /// <summary>Reads a certificate whose chain has been verified; else why it names nobody, in one line.</summary>
    public static (ClientCertificate? Read, string Problem) Read(X509Certificate2 certificate, CertificateName field)
    {
        // Without the extension a chain is good for any use; here it must say that it is meant for clients.
        var usages = certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().SelectMany(e => e.EnhancedKeyUsages.Cast<Oid>());
        if (!usages.Any(usage => usage.Value == ClientAuthentication)) return (null, "it lacks the extended key usage clientAuth");
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
