using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Configuration;

/// <summary>A <c>tls</c> section: the certificate for clients, and whether clients need one.</summary>
internal static class TlsSchema
{
    public static readonly Section<TlsOptions> Tls = new(() => new("", ""), Check)
    {
        {
            "certificate", Scalars.ReadableFile, new Required(),
            "PEM file: the certificate, then its intermediate certificates. Read again when it changes.",
            (o, v) => o with { Certificate = v }
        },
        {
            "key", Scalars.ReadableFile, new Required(),
            "PEM file of the certificate's private key, unencrypted.", (o, v) => o with { Key = v }
        },
        {
            "clientAuthorities", Scalars.ReadableFile, "(none: no client certificates are requested)",
            "PEM file of the authorities for client certificates; in rules, such a client is `cert:<name>`.",
            (o, v) => o with { ClientAuthorities = v }
        },
        {
            "clientCertificates", Scalars.OneOf(("request", false), ("require", true)), "(`request`)",
            "`require` closes connections without a certificate of `clientAuthorities`.", (o, v) => o with { RequireClientCertificate = v }
        },
        {
            "clientName",
            Scalars.OneOf(
                ("commonName", CertificateName.CommonName), ("dns", CertificateName.Dns), ("email", CertificateName.Email),
                ("uri", CertificateName.Uri)),
            "(`commonName`)", "Field of a client's certificate that names the actor: of the subject, or an alternative name of this kind.",
            (o, v) => o with { ClientName = v }
        },
    };

    private static void Check(TlsOptions files, string path, Reading reading)
    {
        if (reading.Files is not null) return;
        try
        {
            using var certificate = X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
        }
        catch (Exception problem) when (problem is CryptographicException or ArgumentException)
        {
            // ArgumentException: the key of an elliptic curve belongs to another certificate.
            reading.Add(path, $"expected a PEM certificate and the private key that belongs to it: {problem.Message}");
        }
        var authorities = new X509Certificate2Collection();
        try
        {
            if (files.ClientAuthorities is { } file) authorities.ImportFromPemFile(file);
        }
        catch (CryptographicException)
        {
            // Text without a certificate adds none; the count below reports it.
        }
        if (files.ClientAuthorities is not null && authorities.Count == 0)
            reading.Add(Reading.Join(path, "clientAuthorities"), $"expected certificates in PEM, got none in '{files.ClientAuthorities}'");
        if (files.ClientAuthorities is not null) return;
        foreach (var key in (string[])["clientCertificates", "clientName"])
        {
            if (!reading.IsWritten(Reading.Join(path, key))) continue;
            reading.Add(Reading.Join(path, key), "has no effect without clientAuthorities; remove it, or add clientAuthorities");
        }
    }
}
