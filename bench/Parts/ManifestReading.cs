using System.Text;
using BenchmarkDotNet.Attributes;
using Gateway.Oci;

namespace Gateway.Bench;

/// <summary>The strict parser, with an image of eight layers and an index of a hundred images.</summary>
public class ManifestReading
{
    private readonly byte[] _image = Encoding.UTF8.GetBytes(
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{{Entry(MediaTypes.OciConfig, 0)}},"layers":[{{Entries(8)}}]}""");

    private readonly byte[] _index = Encoding.UTF8.GetBytes(
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{{Entries(100, MediaTypes.OciManifest)}}]}""");

    [Benchmark]
    public object Image() => ManifestReader.Read(_image, MediaTypes.OciManifest, new());

    [Benchmark]
    public object Index() => ManifestReader.Read(_index, MediaTypes.OciIndex, new());

    private static string Entries(int count, string type = "application/vnd.oci.image.layer.v1.tar+gzip") =>
        string.Join(',', Enumerable.Range(1, count).Select(i => Entry(type, i)));

    private static string Entry(string type, int i) =>
        $$"""{"mediaType":"{{type}}","digest":"{{Digest.Of(Encoding.UTF8.GetBytes($"{i}"))}}","size":{{1000 + i}}}""";
}
