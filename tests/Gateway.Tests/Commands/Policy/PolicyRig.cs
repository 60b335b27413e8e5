using System.Security.Cryptography;
using Gateway.Commands;

namespace Gateway.Tests.Commands.Policy;

/// <summary>A folder of files, and the command line over them.</summary>
internal sealed class PolicyRig : IDisposable
{
    /// <summary>A trusted root that trusts nobody.</summary>
    public const string EmptyRoot = """{ "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1" }""";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-policy-");

    public string Folder => _folder.FullName;

    public void Dispose() => _folder.Delete(recursive: true);

    public string Write(string name, string text)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    public static async Task<(int Code, string Output, string Error)> Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync(["policy", .. arguments], output, error);
        return (code, output.ToString(), error.ToString());
    }

    /// <summary>A new public key in PEM, each line after this much space.</summary>
    public static string NewKey(int indent = 0)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Indent(key.ExportSubjectPublicKeyInfoPem(), indent);
    }

    public static string NewRsaKey(int bits, int indent)
    {
        using var key = RSA.Create(bits);
        return Indent(key.ExportSubjectPublicKeyInfoPem(), indent);
    }

    private static string Indent(string pem, int indent) =>
        string.Join('\n', pem.Split('\n').Select(line => new string(' ', indent) + line.TrimEnd('\r')));
}
