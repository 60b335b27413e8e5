using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Kinds;

/// <summary>One manifest with all its blobs.</summary>
/// <param name="Tag">The tag under which it is pushed.</param>
/// <param name="MediaType">Its media type.</param>
/// <param name="Bytes">Its bytes.</param>
/// <param name="Blobs">Its config and layers.</param>
/// <param name="Description">What it is, for the message of a failure.</param>
internal sealed record Costumed(string Tag, string MediaType, byte[] Bytes, IReadOnlyList<byte[]> Blobs, string Description);

/// <summary>
/// Random manifests: any config type over layers of any type. Their bytes are archives in every compression, documents, and bytes that some
/// programs read as both. They have or do not have a subject, an artifact type, and the annotations that clients unpack by.
/// </summary>
internal sealed class CostumeCorpus(int seed)
{
    /// <summary>The file in every archive; it contains <see cref="MarkerText"/>.</summary>
    public const string MarkerFile = "marker";

    /// <summary>The content of that file.</summary>
    public const string MarkerText = "unpacked";

    private const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
    private const string DockerConfig = "application/vnd.docker.container.image.v1+json";
    private const string DockerLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    private const string OrasFolder = "folder";
    private const string Empty = "application/vnd.oci.empty.v1+json";

    private static readonly string[] Configs =
    [
        OciLayout.ImageConfig, OciLayout.ImageConfig, OciLayout.ImageConfig, DockerConfig, Empty,
        "application/vnd.cncf.helm.config.v1+json",
        "application/vnd.cncf.notary.signature", "application/vnd.dev.cosign.artifact.sig.v1+json", "application/x.unusual.config+json",
    ];

    private static readonly string[] Labels =
    [
        "application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.dsse.envelope.v1+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.in-toto+json", "application/jose+json", "application/cose",
        "text/spdx", "text/spdx+xml", "text/spdx+json", "application/spdx+json", "application/vnd.syft+json",
        "application/vnd.cyclonedx", "application/vnd.cyclonedx+xml", "application/vnd.cyclonedx+json",
        OciLayout.GzipLayer, "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd",
        DockerLayer, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/wasm", "application/octet-stream",
    ];

    // A tar archive of one file `marker`, compressed by the programs of these names.
    private static readonly byte[] Bzip2 = Convert.FromBase64String(
        "QlpoOTFBWSZTWWHzUaUAAHH7gMqAABBAAGWAABBuC14ACAggAFQ0pofqmTTajRmggkiaRo0AAH3VB0INYQhEorYSo00CGBi951dEMIycgdFSVJ0DXb6rBva4ueBrjOVR"
        + "EA/F3JFOFCQYfNRpQA==");

    private static readonly byte[] Xz = Convert.FromBase64String(
        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/AGBdADaYSqtn239Dr5N+NO8E0Bk9cqIEmVbro7S7e+tHsulwciogtrAbCE7DYUe91X0vgGLapLJSkyO0rvtF+FPGt4X4"
        + "VS4y6TwNvothSsP5sMgV8+wvFYdvU2e1M880RkE5AACv5PaaPb+NvwABfIBQAAAAV6ZexbHEZ/sCAAAAAARZWg==");

    private readonly Random _random = new(seed);

    /// <summary>
    /// Manifests that every client must handle as expected: real evidence, an image, and the disguised images that were found.
    /// </summary>
    public IEnumerable<Costumed> Known()
    {
        yield return Write("an image", OciLayout.ImageConfig, false, null, (OciLayout.GzipLayer, "gzip"));
        yield return Write("cosign 2's signature", OciLayout.ImageConfig, false, null, (Labels[0], "document"));
        yield return Write("cosign 3's bundle", Empty, true, Labels[2], (Labels[2], "document"));
        yield return Write("BuildKit's attestation", OciLayout.ImageConfig, false, null, (Labels[3], "document"), (Labels[3], "document"));
        yield return Write("an image labelled as an SBOM", OciLayout.ImageConfig, false, null, ("text/spdx", "gzip"));
        yield return Write("an image labelled as a signature", OciLayout.ImageConfig, true, Labels[2], (Labels[0], "tar"));
        yield return Write("tar named as JSON", OciLayout.ImageConfig, true, Labels[2], (Labels[2], "tar named as JSON"));
        yield return Write("layers beside an unusual config", Configs[^1], false, null, (OciLayout.GzipLayer, "gzip"));
        yield return Write("a folder of oras", Configs[^1], true, "a/b", ("application/spdx+json", "gzip for oras"));
        yield return Write("text that is a tar", OciLayout.ImageConfig, false, null, (Labels[3], "text that is a tar"));
        yield return Write("nothing", OciLayout.ImageConfig, false, null, (Labels[3], "nothing"));
        yield return Write("a chart", Configs[5], false, null, (Labels[18], "gzip"));
    }

    /// <summary>One random manifest.</summary>
    public Costumed Next()
    {
        var layers = Enumerable.Range(0, 1 + _random.Next(2)).Select(_ => (OneOf(Labels), OneOf(Forms))).ToArray();
        return Write(
            "by chance", OneOf(Configs), _random.Next(2) == 0, _random.Next(2) == 0 ? OneOf(Labels) : null, layers);
    }

    private static readonly string[] Forms =
    [
        "gzip", "gzip", "tar", "zstd", "bzip2", "xz", "document", "document", "tar named as JSON", "text that is a tar", "nothing",
        "gzip for oras",
    ];

    private Costumed Write(string what, string config, bool hasSubject, string? artifactType, params (string Label, string Form)[] layers)
    {
        var contents = layers.Select(layer => (layer.Label, layer.Form, Content: Content(layer.Form))).ToArray();
        var configured = config == Empty ? "{}"u8.ToArray() : OciLayout.Bytes(new JsonObject
        {
            ["os"] = "linux",
            ["architecture"] = "amd64",
            ["author"] = $"{_random.Next()}",
            ["config"] = new JsonObject { ["Entrypoint"] = new JsonArray($"/{MarkerFile}") },
            ["rootfs"] = new JsonObject
            {
                ["type"] = "layers",
                ["diff_ids"] = new JsonArray([.. contents.Select(c => (JsonNode)Described.Sha256(c.Content.Unpacked))]),
            },
        });
        var type = config == DockerConfig ? DockerManifest : OciLayout.ImageManifest;
        var manifest = new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = type,
            ["config"] = Described.Of(configured, config).ToJson(),
            ["layers"] = new JsonArray([.. contents.Select(c => (JsonNode)Layer(c.Label, c.Form, c.Content.Packed))]),
        };
        if (artifactType is not null) manifest["artifactType"] = artifactType;
        if (hasSubject)
            manifest["subject"] = Described.Of(Encoding.UTF8.GetBytes($"subject {_random.Next()}"), OciLayout.ImageManifest).ToJson();
        return new(
            $"t{_random.Next():x}", type, OciLayout.Bytes(manifest), [configured, .. contents.Select(static c => c.Content.Packed)],
            $"{what}: {config} over {string.Join(", ", layers)}{(hasSubject ? " with a subject" : "")}, artifact type {artifactType}");
    }

    private T OneOf<T>(T[] choices) => choices[_random.Next(choices.Length)];

    private static JsonObject Layer(string label, string form, byte[] bytes)
    {
        var layer = Described.Of(bytes, label).ToJson();
        layer["annotations"] = new JsonObject { ["org.opencontainers.image.title"] = form == "gzip for oras" ? OrasFolder : "file" };
        if (form == "gzip for oras") layer["annotations"]!["io.deis.oras.content.unpack"] = "true";
        return layer;
    }

    private (byte[] Packed, byte[] Unpacked) Content(string form)
    {
        // oras unpacks a folder when all its files are below its title.
        var at = form == "gzip for oras" ? $"{OrasFolder}/" : "";
        var salt = Encoding.UTF8.GetBytes($"{_random.Next()}");
        var tar = OciLayout.Tar(($"{at}{MarkerFile}", Encoding.UTF8.GetBytes(MarkerText)), ($"{at}salt", salt));
        var text = Encoding.UTF8.GetBytes($$"""{"salt":{{_random.Next()}}}""");
        return form switch
        {
            "gzip" or "gzip for oras" => (OciLayout.Gzip(tar), tar),
            "tar" => (tar, tar),
            "zstd" => (ZstdFrame(tar), tar),
            "bzip2" => (Bzip2, tar),
            "xz" => (Xz, tar),
            "tar named as JSON" => Same(OciLayout.Tar(("{\"a\":1}", text), (MarkerFile, Encoding.UTF8.GetBytes(MarkerText)))),
            "text that is a tar" => Same(TextTar()),
            "nothing" => Same([]),
            _ => Same(text),
        };

        static (byte[] Packed, byte[] Unpacked) Same(byte[] bytes) => (bytes, bytes);
    }

    // A frame of raw blocks (RFC 8878 §3.1.1): a single segment, with its size in four bytes.
    private static byte[] ZstdFrame(byte[] content)
    {
        const int MaxBlock = 128 << 10;
        var frame = new List<byte> { 0x28, 0xB5, 0x2F, 0xFD, 0xA0 };
        var size = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(size, content.Length);
        frame.AddRange(size);
        foreach (var block in content.Chunk(MaxBlock).Index())
        {
            var isLast = (block.Index + 1) * MaxBlock >= content.Length;
            BinaryPrimitives.WriteInt32LittleEndian(size, (block.Item.Length << 3) | (isLast ? 1 : 0));
            frame.AddRange([.. size.Take(3), .. block.Item]);
        }
        return [.. frame];
    }

    // Two headers of empty files (the first in V7's form), all in printable characters: Go's reader takes it for an archive.
    private byte[] TextTar()
    {
        var block = Encoding.ASCII.GetBytes(new string(' ', 512));
        Encoding.ASCII.GetBytes($"{{\"a\":\"{MarkerFile}{_random.Next():x8}\"}}").CopyTo(block, 0);
        Encoding.ASCII.GetBytes("00000000000").CopyTo(block, 124);
        block[156] = (byte)'0';
        Encoding.ASCII.GetBytes(Convert.ToString(block.Sum(static value => value), 8).PadLeft(7, '0')).CopyTo(block, 148);
        return block;
    }
}
