using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Testing;

/// <summary>
/// A volume of many repositories in the layout of CNCF distribution, written to the disk as another program would. All have the same
/// manifest, under some tags in each.
/// </summary>
internal static class GeneratedVolume
{
    private const string Config = "{}";

    /// <summary>The name of a repository.</summary>
    public static string Repository(int number) => string.Create(CultureInfo.InvariantCulture, $"many/app{number:00000}");

    /// <summary>Writes the repositories below a storage folder; the tags are <c>v0</c>, <c>v1</c> and so on.</summary>
    public static void Fill(string storage, int repositories, int tagsOfEach)
    {
        var root = Path.Combine(storage, "docker/registry/v2");
        var manifest = $$"""
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:{{Hex(Config)}}","size":2},"layers":[]}
            """;
        Blob(root, Config);
        Blob(root, manifest);
        for (var i = 0; i < repositories; i++)
        {
            var repository = Path.Combine(root, "repositories", Repository(i));
            Link(Path.Combine(repository, "_layers/sha256", Hex(Config)), Config);
            Link(Path.Combine(repository, "_manifests/revisions/sha256", Hex(manifest)), manifest);
            for (var t = 0; t < tagsOfEach; t++) Link(Path.Combine(repository, $"_manifests/tags/v{t}/current"), manifest);
        }
    }

    private static string Hex(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static void Blob(string root, string text)
    {
        var hex = Hex(text);
        var folder = Directory.CreateDirectory(Path.Combine(root, "blobs/sha256", hex[..2], hex)).FullName;
        File.WriteAllText(Path.Combine(folder, "data"), text);
    }

    private static void Link(string folder, string content)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "link"), $"sha256:{Hex(content)}");
    }
}
