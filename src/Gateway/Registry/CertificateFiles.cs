using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Configuration;

namespace Gateway.Registry;

/// <summary>
/// Reads a listener's certificate and key from PEM files; the file's further certificates are the chain that clients are shown.
/// </summary>
internal static class CertificateFiles
{
    /// <summary>Throws <see cref="IOException"/> with one line that names the file and what is wrong.</summary>
    public static SslStreamCertificateContext Read(TlsOptions tls)
    {
        try
        {
            var certificate = X509Certificate2.CreateFromPemFile(tls.Certificate, tls.Key);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(tls.Certificate);
            return SslStreamCertificateContext.Create(certificate, [.. chain.Skip(1)], offline: true);
        }
        catch (Exception exception) when (exception is CryptographicException or UnauthorizedAccessException or IOException)
        {
            throw new IOException($"tls: certificate {tls.Certificate} with key {tls.Key} cannot be used: {exception.Message}", exception);
        }
    }
}
