using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.BlackBox.Rig;

/// <summary>A test's own certificate authority, and a certificate for 127.0.0.1 that it signed, as PEM files.</summary>
internal sealed class Authority
{
    private static readonly DateTimeOffset From = DateTimeOffset.UtcNow.AddDays(-1);
    private static readonly DateTimeOffset Until = From.AddDays(3);

    public Authority(TempFolder folder)
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test authority", authorityKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var authority = request.CreateSelfSigned(From, Until);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = Sign(authority, key);
        AuthorityFile = folder.Write("tls/ca.pem", authority.ExportCertificatePem());
        CertificateFile = folder.Write("tls/cert.pem", certificate.ExportCertificatePem());
        KeyFile = folder.Write("tls/key.pem", key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>The certificate that clients must trust.</summary>
    public string AuthorityFile { get; }

    public string CertificateFile { get; }

    public string KeyFile { get; }

    private static X509Certificate2 Sign(X509Certificate2 authority, ECDsa key)
    {
        var request = new CertificateRequest("CN=gateway", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        return request.Create(authority, From, Until, [1]);
    }
}
