using System.Text.Json;
using Gateway.Oci;
using Gateway.Policy;

namespace Gateway.Fuzz.Targets;

/// <summary>Manifests and indexes: what is accepted the runtime's own JSON reader sees in the same way.</summary>
public sealed class ManifestTarget : FuzzTarget
{
    // Strict where it can be: a key twice is not seen by everybody alike.
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    protected override string[] Words =>
    [
        "\"manifests\":[],", "\"Layers\":[],", "\"layer\\u0073\":[],", "\"layerſ\":[]", "\"config\":null,", "\"size\":-1", "\"size\":1.0",
        "\"data\":\"e30=\",", "\"subject\":", "\"annotations\":{\"a\":\"b\"},", MediaTypes.OciIndex, MediaTypes.DockerList,
        MediaTypes.DockerSchema1, "\\ud83d\\ude00",
    ];

    protected override string Try(byte[] input)
    {
        var (manifest, problem) = ManifestReader.Read(input, null, ManifestLimits.Plain);
        Assert.NotEqual(manifest is null, problem is null);
        foreach (var type in new[] { MediaTypes.OciManifest, MediaTypes.OciIndex, "text/html" })
        {
            var (typed, why) = ManifestReader.Read(input, type, ManifestLimits.Plain);
            Assert.NotEqual(typed is null, why is null);
            if (typed is not null) Assert.Equal(type, typed.MediaType);
        }
        if (manifest is null) return $"{problem!.Code} {problem.Message}";
        using var same = JsonDocument.Parse(input, Strict);
        Compare(manifest, same.RootElement);
        return $"{manifest.MediaType} {manifest.Layers.Length} {manifest.Children.Length} {manifest.Subject is null}";
    }

    private static void Compare(Manifest manifest, JsonElement same)
    {
        if (same.TryGetProperty("mediaType", out var type)) Assert.Equal(type.GetString(), manifest.MediaType);
        Compare(manifest.Config, same, "config");
        Compare(manifest.Subject, same, "subject");
        var list = same.TryGetProperty(manifest.IsIndex ? "manifests" : "layers", out var found) && found.ValueKind == JsonValueKind.Array
            ? found.EnumerateArray().ToArray()
            : [];
        var read = manifest.IsIndex ? manifest.Children : manifest.Layers;
        Assert.Equal(list.Length, read.Length);
        for (var i = 0; i < list.Length; i++) Compare(read[i], list[i]);
        var hasAnnotations = same.TryGetProperty("annotations", out var said) && said.ValueKind == JsonValueKind.Object;
        Assert.Equal(hasAnnotations ? said.EnumerateObject().Count() : 0, manifest.Annotations.Count);
    }

    private static void Compare(Descriptor? read, JsonElement parent, string name)
    {
        var isThere = parent.TryGetProperty(name, out var found) && found.ValueKind == JsonValueKind.Object;
        Assert.Equal(isThere, read is not null);
        if (isThere) Compare(read!, found);
    }

    private static void Compare(Descriptor read, JsonElement same)
    {
        Assert.Equal(same.GetProperty("digest").GetString(), read.Digest.ToString());
        Assert.Equal(same.GetProperty("mediaType").GetString(), read.MediaType);
        Assert.Equal(same.GetProperty("size").GetInt64(), read.Size);
    }
}

/// <summary>Configs of images.</summary>
public sealed class ImageConfigTarget : FuzzTarget
{
    protected override string[] Words => ["\"OS\":1", "\"Rootfs\":", "\"diff_ids\":", "\"Labels\":{\"a\":1}", "\\ud800", "null"];

    protected override string Try(byte[] input)
    {
        if (ImageConfigReader.Read(input) is not { } config) return "refused";
        using var same = JsonDocument.Parse(input);
        if (same.RootElement.TryGetProperty("os", out var os) && os.ValueKind == JsonValueKind.String)
            Assert.Equal(os.GetString(), config.Os);
        return $"read {config.DiffIds.Length} {config.Labels.Count} {config.Variant is null}";
    }
}
