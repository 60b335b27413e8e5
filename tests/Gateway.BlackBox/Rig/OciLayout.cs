using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gateway.BlackBox.Rig;

/// <summary>Media type, digest and size of some bytes.</summary>
internal sealed record Described(string MediaType, string Digest, long Size)
{
    public static Described Of(byte[] bytes, string mediaType) => new(mediaType, Sha256(bytes), bytes.Length);

    public static string Sha256(ReadOnlySpan<byte> bytes) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    public static string Sha512(ReadOnlySpan<byte> bytes) => "sha512:" + Convert.ToHexStringLower(SHA512.HashData(bytes));

    public JsonObject ToJson() => new() { ["mediaType"] = MediaType, ["digest"] = Digest, ["size"] = Size };
}

/// <summary>An OCI image layout on disk, as skopeo, crane and oras read and write it.</summary>
internal sealed class OciLayout
{
    public const string ImageManifest = "application/vnd.oci.image.manifest.v1+json";
    public const string ImageIndex = "application/vnd.oci.image.index.v1+json";
    public const string ImageConfig = "application/vnd.oci.image.config.v1+json";
    public const string GzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip";

    private readonly JsonArray _entries = [];

    public OciLayout(string path)
    {
        Root = path;
        Directory.CreateDirectory(Blobs);
        File.WriteAllText(Path.Combine(path, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
    }

    public string Root { get; }

    private string Blobs => Path.Combine(Root, "blobs", "sha256");

    public Described Add(byte[] bytes, string mediaType)
    {
        var described = Described.Of(bytes, mediaType);
        File.WriteAllBytes(Path.Combine(Blobs, described.Digest[7..]), bytes);
        return described;
    }

    /// <summary>An image with one gzip layer for each file.</summary>
    public Described AddImage(string architecture, params (string Name, byte[] Content)[] files) =>
        AddLayers(architecture, [.. files.Select(file => Tar(file))]);

    /// <summary>An image with one gzip layer for all files.</summary>
    public Described AddOneLayer(string architecture, params (string Name, byte[] Content)[] files) => AddLayers(architecture, Tar(files));

    private Described AddLayers(string architecture, params byte[][] tars)
    {
        var config = new JsonObject
        {
            ["architecture"] = architecture,
            ["os"] = "linux",
            ["config"] = new JsonObject(),
            ["rootfs"] = new JsonObject
            {
                ["type"] = "layers",
                ["diff_ids"] = new JsonArray([.. tars.Select(tar => (JsonNode)Described.Sha256(tar))]),
            },
        };
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = ImageManifest,
            ["config"] = Add(Bytes(config), ImageConfig).ToJson(),
            ["layers"] = new JsonArray([.. tars.Select(tar => Add(Gzip(tar), GzipLayer).ToJson())]),
        };
        return Add(Bytes(manifest), ImageManifest);
    }

    public Described AddIndex(params (string Architecture, Described Image)[] images)
    {
        var children = images.Select(child =>
        {
            var descriptor = child.Image.ToJson();
            descriptor["platform"] = new JsonObject { ["architecture"] = child.Architecture, ["os"] = "linux" };
            return (JsonNode)descriptor;
        });
        return Add(Bytes(new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = ImageIndex,
            ["manifests"] = new JsonArray([.. children]),
        }), ImageIndex);
    }

    /// <summary>Adds a document to index.json.</summary>
    public void Tag(string tag, Described document)
    {
        var entry = document.ToJson();
        entry["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = tag };
        _entries.Add((JsonNode)entry);
        File.WriteAllBytes(
            Path.Combine(Root, "index.json"), Bytes(new JsonObject { ["schemaVersion"] = 2, ["manifests"] = _entries.DeepClone() }));
    }

    /// <summary>A layout with one tagged image of two layers: a small file, and 300 KiB of noise.</summary>
    public static (OciLayout Layout, Described Image) SmallImage(string path, string tag = "1", int seed = 1)
    {
        var layout = new OciLayout(path);
        var image = layout.AddImage(
            "amd64", ("etc/motd", Encoding.UTF8.GetBytes($"image {seed}\n")), ("data/noise", Noise(seed, 300 << 10)));
        layout.Tag(tag, image);
        return (layout, image);
    }

    /// <summary>Bytes that cannot be compressed, the same for the same seed.</summary>
    public static byte[] Noise(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Digests of all blobs in a layout folder. Each file is hashed, so the file names do not have to be trusted.</summary>
    public static string[] DigestsIn(string layout) =>
        [.. Directory.GetFiles(Path.Combine(layout, "blobs", "sha256")).Select(file => Described.Sha256(File.ReadAllBytes(file))).Order()];

    /// <summary>The digest in index.json, which must have exactly one.</summary>
    public static string TopIn(string layout) =>
        JsonNode.Parse(File.ReadAllText(Path.Combine(layout, "index.json")))!["manifests"]!.AsArray()
            .Single()!["digest"]!.GetValue<string>();

    public static byte[] Bytes(JsonNode node) => JsonSerializer.SerializeToUtf8Bytes(node);

    public static byte[] Gzip(byte[] bytes)
    {
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return packed.ToArray();
    }

    public static byte[] Tar(params (string Name, byte[] Content)[] files)
    {
        var packed = new MemoryStream();
        using (var tar = new TarWriter(packed, TarEntryFormat.Pax))
        {
            foreach (var (name, content) in files)
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name)
                {
                    DataStream = new MemoryStream(content),
                    ModificationTime = DateTimeOffset.UnixEpoch,
                });
            }
        }
        return packed.ToArray();
    }
}
