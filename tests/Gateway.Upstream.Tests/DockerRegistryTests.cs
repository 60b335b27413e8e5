using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gateway.Oci;
using Microsoft.Extensions.Logging.Abstractions;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>
/// Writes to Debian's docker-registry and reads the content back with crane. Needs <c>GATEWAY_RIG</c>, the folder that
/// <c>tests/rig/install.sh</c> fills; otherwise the tests are skipped.
/// </summary>
public sealed partial class DockerRegistryTests : IDisposable
{
    private const string Name = "team/app";
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(5_000_000, seed: 21);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-writer-");
    private readonly List<Process> _started = [];

    public void Dispose()
    {
        foreach (var process in _started)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
        _folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Written_content_is_read_back_by_crane(bool password, bool tls)
    {
        var (host, options) = await StartAsync(password, tls);
        await using var registries = await UpstreamRegistries.BuildAsync([options], TimeProvider.System, NullLoggerFactory.Instance);
        var writer = new UpstreamWriter(registries[options.Key], RepositoryName.Parse(Name), TimeProvider.System);
        var (layer, config) = (Digest.Of(Layer), "{}"u8.ToArray());
        await PutAsync(writer, Layer);
        await PutAsync(writer, config);
        await PutAsync(writer, []);
        var bytes = Encoding.UTF8.GetBytes($$$"""
            {"schemaVersion":2,"mediaType":"{{{MediaTypes.OciManifest}}}",
             "config":{"mediaType":"{{{MediaTypes.OciConfig}}}","digest":"{{{Digest.Of(config)}}}","size":2},
             "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{{{layer}}}","size":{{{Layer.Length}}}}],
             "subject":{"mediaType":"{{{MediaTypes.OciManifest}}}","digest":"{{{layer}}}","size":7}}
            """);
        var manifest = ManifestReader.Read(bytes, null, ManifestLimits.Plain).Manifest!;
        for (var i = 0; i < 2; i++) await writer.PutManifestAsync(new(TagName.Parse("v1")), Digest.Of(bytes), manifest, bytes, default);

        Assert.Equal(bytes, await CraneAsync(password, tls, "manifest", $"{host}/{Name}:v1"));
        Assert.Equal(Layer, await CraneAsync(password, tls, "blob", $"{host}/{Name}@{layer}"));
        // docker-registry 2.8 has no referrers API.
        var list = Encoding.UTF8.GetString(await CraneAsync(password, tls, "manifest", $"{host}/{Name}:{EvidenceTag.BareOf(layer)}"));
        Assert.Single(Regex.Matches(list, Digest.Of(bytes).ToString()));

        var refused = await Assert.ThrowsAsync<UpstreamException>(() => writer.DeleteAsync(UpstreamNoun.Manifest, "v1", default));
        Assert.Equal(UpstreamFailure.Refused, refused.Failure);
        Assert.True(await writer.DeleteAsync(UpstreamNoun.Manifest, Digest.Of(bytes).ToString(), default));
        Assert.True(await writer.DeleteAsync(UpstreamNoun.Blob, layer.ToString(), default));
        Assert.False(await writer.DeleteAsync(UpstreamNoun.Blob, layer.ToString(), default));
        Assert.False(await writer.HasBlobAsync(layer, default));
    }

    private static Task PutAsync(UpstreamWriter writer, byte[] bytes) => writer.PutBlobAsync(
        Digest.Of(bytes),
        bytes.Length,
        (at, _) => ValueTask.FromResult<Stream>(new MemoryStream(bytes, (int)at, bytes.Length - (int)at)),
        default);

    private async Task<(string Host, RegistryOptions Options)> StartAsync(bool password, bool tls)
    {
        var (auth, secure) = ("", "");
        if (password)
        {
            await File.WriteAllBytesAsync(In("htpasswd"), await RunAsync("htpasswd", [], "-nbB", "me", "secret"));
            auth = $"auth: {{ htpasswd: {{ realm: test, path: \"{In("htpasswd")}\" }} }}";
        }
        if (tls)
        {
            WriteCertificate();
            secure = $", tls: {{ certificate: \"{In("tls.pem")}\", key: \"{In("tls.key")}\" }}";
        }
        await File.WriteAllTextAsync(In("config.yml"), $$"""
            version: 0.1
            storage: { filesystem: { rootdirectory: "{{In("data")}}" }, delete: { enabled: true } }
            http: { addr: "127.0.0.1:0"{{secure}} }
            {{auth}}
            """);
        var port = await ListeningAsync(Start("docker-registry", [], "serve", In("config.yml")));
        var options = new RegistryOptions
        {
            Key = "corp",
            Urls = [new($"{(tls ? "https" : "http")}://127.0.0.1:{port}")],
            CertificateAuthority = tls ? In("tls.pem") : null,
            Credentials = password ? [new() { Username = "me", Password = "secret" }] : [],
        };
        return ($"127.0.0.1:{port}", options);
    }

    private static async Task<string> ListeningAsync(Process registry)
    {
        using var limit = Patience.Limit(30);
        var output = new StringBuilder();
        while (await registry.StandardError.ReadLineAsync(limit.Token) is { } line)
        {
            output.AppendLine(line);
            if (ListeningLine().Match(line) is not { Success: true } match) continue;
            // Read the rest of the log, so that it does not fill the pipe.
            _ = registry.StandardError.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
            _ = registry.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None);
            return match.Groups[1].Value;
        }
        throw new InvalidOperationException($"expected docker-registry to listen, got: {output}");
    }

    private Task<byte[]> CraneAsync(bool password, bool tls, params string[] arguments)
    {
        var login = new { auth = Convert.ToBase64String("me:secret"u8) };
        var auths = new Dictionary<string, object> { [arguments[1].Split('/')[0]] = login };
        File.WriteAllText(In("config.json"), password ? JsonSerializer.Serialize(new { auths }) : "{}");
        var environment = new Dictionary<string, string> { ["DOCKER_CONFIG"] = _folder.FullName };
        if (tls) environment["SSL_CERT_FILE"] = In("tls.pem");
        return RunAsync("crane", environment, tls ? arguments : [.. arguments, "--insecure"]);
    }

    private async Task<byte[]> RunAsync(string program, Dictionary<string, string> environment, params string[] arguments)
    {
        var process = Start(program, environment, arguments);
        var errors = process.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        await process.StandardOutput.BaseStream.CopyToAsync(output);
        await process.WaitForExitAsync();
        _started.Remove(process);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {await errors}");
        return output.ToArray();
    }

    private Process Start(string program, Dictionary<string, string> environment, params string[] arguments)
    {
        var rig = Environment.GetEnvironmentVariable("GATEWAY_RIG");
        Assert.SkipWhen(rig is null, $"GATEWAY_RIG is not set; set it to the folder with {program}.");
        var start = new ProcessStartInfo(Path.Combine(rig, "bin", program), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        start.Environment["OTEL_TRACES_EXPORTER"] = "none";
        var process = Process.Start(start)!;
        _started.Add(process);
        return process;
    }

    private void WriteCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=registry", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(12));
        File.WriteAllText(In("tls.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(In("tls.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private string In(string file) => Path.Combine(_folder.FullName, file);

    [GeneratedRegex("listening on 127\\.0\\.0\\.1:(\\d+)")]
    private static partial Regex ListeningLine();
}
