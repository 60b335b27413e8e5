using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Configuration;

/// <summary>A <c>tls</c> section: what is shown to clients, and what is asked of them.</summary>
internal static class TlsSchema
{
    public static readonly Section<TlsOptions> Tls = new(() => new("", ""), Check)
    {
        {
            "certificate", Scalars.ReadableFile, new Required(),
            "PEM file: the certificate, then those between it and its root. Taken up when it changes.", (o, v) => o with { Certificate = v }
        },
        {
            "key", Scalars.ReadableFile, new Required(),
            "PEM file of the certificate's private key, not encrypted.", (o, v) => o with { Key = v }
        },
        {
            "clientAuthorities", Scalars.ReadableFile, "(none: no client is asked for a certificate)",
            "PEM file of the authorities whose certificates say who a client is; rules know him as `cert:<name>`.",
            (o, v) => o with { ClientAuthorities = v }
        },
        {
            "clientCertificates", Scalars.OneOf(("request", false), ("require", true)), "(`request`)",
            "`require` lets nobody connect without a certificate of `clientAuthorities`.", (o, v) => o with { RequireClientCertificate = v }
        },
        {
            "clientName",
            Scalars.OneOf(
                ("commonName", CertificateName.CommonName), ("dns", CertificateName.Dns), ("email", CertificateName.Email),
                ("uri", CertificateName.Uri)),
            "(`commonName`)", "Field of a client's certificate that names the actor: of its subject, or an alternative name of this kind.",
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
            // ArgumentException: an elliptic curve's key of another certificate.
            reading.Add(path, $"expected a PEM certificate and the private key that belongs to it: {problem.Message}");
        }
        var authorities = new X509Certificate2Collection();
        try
        {
            if (files.ClientAuthorities is { } file) authorities.ImportFromPemFile(file);
        }
        catch (CryptographicException)
        {
            // Counted below: text that holds no certificate brings none.
        }
        if (files.ClientAuthorities is not null && authorities.Count == 0)
            reading.Add(Reading.Join(path, "clientAuthorities"), $"expected certificates in PEM, none are in '{files.ClientAuthorities}'");
        if (files.ClientAuthorities is not null) return;
        foreach (var key in (string[])["clientCertificates", "clientName"])
        {
            if (reading.IsWritten(Reading.Join(path, key))) reading.Add(Reading.Join(path, key), "has no use without clientAuthorities");
        }
    }
}
