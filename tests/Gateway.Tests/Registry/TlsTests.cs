using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Registry;
using Xunit;

namespace Gateway.Tests.Registry;

public sealed class TlsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-tls-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Https_speaks_both_versions_of_http(string version)
    {
        var (certificate, key, pem) = SelfSigned();
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Listen = [new() { Url = new("https://127.0.0.1:0"), Tls = new(certificate, key) }],
        });
        using var client = new HttpClient(new SocketsHttpHandler { SslOptions = Trusting(pem) });

        using var answer = await client.SendAsync(new(HttpMethod.Get, new Uri(rig.Url, "/v2/"))
        {
            Version = Version.Parse(version),
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        });
        Assert.Equal((HttpStatusCode.OK, Version.Parse(version)), (answer.StatusCode, answer.Version));
    }

    [Fact]
    public void A_certificate_that_is_none_is_told_in_one_line_with_its_file()
    {
        var file = Path.Combine(_folder.FullName, "cert.pem");
        File.WriteAllText(file, "none");

        var problem = Assert.Throws<IOException>(() => CertificateFiles.Read(new(file, file)));
        Assert.Contains(file, problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', problem.Message);
    }

    private (string Certificate, string Key, string Pem) SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));

        var files = (Certificate: Path.Combine(_folder.FullName, "cert.pem"), Key: Path.Combine(_folder.FullName, "key.pem"));
        File.WriteAllText(files.Certificate, certificate.ExportCertificatePem());
        File.WriteAllText(files.Key, key.ExportPkcs8PrivateKeyPem());
        return (files.Certificate, files.Key, certificate.ExportCertificatePem());
    }

    private static SslClientAuthenticationOptions Trusting(string authorityPem) => new()
    {
        CertificateChainPolicy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { X509Certificate2.CreateFromPem(authorityPem) },
            RevocationMode = X509RevocationMode.NoCheck,
        },
    };
}
