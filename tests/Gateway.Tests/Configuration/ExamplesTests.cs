using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>What we ship works, and the reference page says what the code does.</summary>
public sealed class ExamplesTests : IDisposable
{
    private static readonly string Root = FindRoot();

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-examples-");

    public static TheoryData<string> Examples() =>
        [.. Directory.EnumerateFiles(Path.Combine(Root, "docs/examples"), "*.yaml").Select(path => Path.GetFileName(path)!)];

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Examples))]
    public void Example_has_no_mistake(string name)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "htpasswd"), "");
        File.WriteAllText(Path.Combine(_folder.FullName, "replicas.secret"), "a-secret-of-the-set");
        WriteCertificate();
        File.Copy(Path.Combine(Root, "docs/examples", name), Path.Combine(_folder.FullName, name));

        var loaded = ConfigurationLoader.Load(Path.Combine(_folder.FullName, name), []);

        Assert.Empty(loaded.Mistakes.Select(mistake => mistake.ToString()));
    }

    [Fact]
    public void Shipped_file_names_four_registries_and_listens_on_loopback()
    {
        var loaded = ConfigurationLoader.Load(Path.Combine(Root, "gateway.yaml"), []);

        Assert.Empty(loaded.Mistakes.Select(mistake => mistake.ToString()));
        Assert.Equal(["docker.io", "ghcr.io", "quay.io", "registry.k8s.io"], loaded.Options!.Upstreams.Keys);
        Assert.Equal(new Uri("http://127.0.0.1:5000"), Assert.Single(loaded.Options.Listen).Url);
    }

    [Fact]
    public void Commented_settings_of_the_shipped_file_are_valid()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "htpasswd"), "");
        var lines = File.ReadAllLines(Path.Combine(Root, "gateway.yaml"));
        var from = Array.FindIndex(lines, line => line.StartsWith("# routes:", StringComparison.Ordinal));
        var uncommented = lines.Skip(from).Where(line => line.StartsWith("# ", StringComparison.Ordinal) && !char.IsUpper(line[2]))
            .Select(line => line[2..]);

        var loaded = ConfigurationLoader.Load(
            string.Join('\n', [.. lines.Take(from), .. uncommented]), "gateway.yaml", _folder.FullName, []);

        Assert.Empty(loaded.Mistakes.Select(mistake => mistake.ToString()));
        Assert.NotNull(loaded.Options!.Access);
        Assert.NotNull(loaded.Options.Policy);
    }

    [Fact]
    public void Reference_page_is_generated_from_the_schema() =>
        Assert.Equal(ReferencePage.Write(), File.ReadAllText(Path.Combine(Root, "docs/configuration.md")));

    private void WriteCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=example", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(_folder.FullName, "cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder.FullName, "key.pem"), key.ExportPkcs8PrivateKeyPem());
    }

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Gateway.sln"))) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
