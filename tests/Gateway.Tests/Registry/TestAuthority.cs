using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Tests.Registry;

/// <summary>A certificate authority of one test's own, and what it signs, as PEM files in a folder that goes with it.</summary>
internal sealed class TestAuthority : IDisposable
{
    public const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    public const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _root;
    private byte _serial;

    public TestAuthority(string name = "test authority")
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _root = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-2), DateTimeOffset.UtcNow.AddDays(60));
        File.WriteAllText(this["ca.pem"], _root.ExportCertificatePem());
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("gateway-tls-").FullName;

    /// <summary>A file of the folder.</summary>
    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>Writes cert.pem and key.pem for 127.0.0.1.</summary>
    public void WriteServer(string certificate = "cert.pem", string key = "key.pem", int days = 30, byte? serial = null)
    {
        using var made = Sign("CN=gateway", ServerAuthentication, names => names.AddIpAddress(IPAddress.Loopback), days, serial);
        File.WriteAllText(this[certificate], made.ExportCertificatePem());
        File.WriteAllText(this[key], made.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>A client's certificate with its key.</summary>
    public X509Certificate2 Sign(
        string subject, string usage = ClientAuthentication, Action<SubjectAlternativeNameBuilder>? names = null, int days = 30,
        byte? serial = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        if (usage.Length > 0) request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new(usage)], critical: false));
        var alternatives = new SubjectAlternativeNameBuilder();
        names?.Invoke(alternatives);
        if (names is not null) request.CertificateExtensions.Add(alternatives.Build());
        var now = DateTimeOffset.UtcNow;
        using var made = request.Create(_root, now.AddDays(-1), now.AddDays(days).AddSeconds(-60), [serial ?? ++_serial]);
        using var whole = made.CopyWithPrivateKey(key);
        // Such a key can be used for TLS on every platform.
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>A client that trusts this authority, and shows this certificate.</summary>
    public HttpClient Client(X509Certificate2? shown = null, Action<X509Certificate2>? seen = null)
    {
        var handler = new SocketsHttpHandler { SslOptions = new() { RemoteCertificateValidationCallback = Check } };
        if (shown is not null) handler.SslOptions.ClientCertificateContext = SslStreamCertificateContext.Create(shown, [], offline: true);
        return new(handler);

        bool Check(object sender, X509Certificate? server, X509Chain? chain, SslPolicyErrors problems)
        {
            seen?.Invoke((X509Certificate2)server!);
            using var trusting = new X509Chain
            {
                ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck },
            };
            trusting.ChainPolicy.CustomTrustStore.Add(_root);
            return trusting.Build((X509Certificate2)server!);
        }
    }

    public void Dispose()
    {
        _key.Dispose();
        _root.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
