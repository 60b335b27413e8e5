using System.Text;

namespace Gateway.Oci.Tests.ClientView;

/// <summary>Image manifests of OCI and of Docker.</summary>
internal sealed class ImageDocuments(int seed) : ChanceDocuments(seed)
{
    public override Written Write(int number)
    {
        var type = OneOf(MediaTypes.OciManifest, MediaTypes.OciManifest, MediaTypes.DockerManifest);
        var (config, layer) = (ConfigType(type), LayerType(type));
        var layers = Enumerable.Range(0, Below(4)).Select(i => Layer($"{number} {i}", layer));
        List<string> members =
        [
            Member("schemaVersion", "2", "2"),
            Member("config", Descriptor(config, Config($"{number}")), Descriptor(config, Config($"{number} evil"))),
            Member("layers", Chance(20) ? "null" : $"[{string.Join(',', layers)}]", $"[{Layer($"{number} evil", layer)}]"),
        ];
        if (type == MediaTypes.DockerManifest || Chance(2))
            members.Add(Member("mediaType", Text(Chance(20) ? MediaTypes.OciManifest : type), Text(type)));
        else if (Chance(4)) members.Add(Member("mediaType", "null", Text(type)));
        if (Chance(3)) members.Add(Member("annotations", $$"""{"a":"{{number}}","\u0061b":"\u00e9\n"}""", "{}"));
        if (Chance(4)) members.Add(Unknown(Layer($"{number} unknown")));
        if (Chance(8)) members.Add(Chance(4) ? Member("subject", "null", "null") : Subject($"{number}"));
        if (Chance(12)) members.Add($$"""{{Space()}}"manifests":{{OneOf("null", $"[{Layer($"{number} child")}]")}}""");
        if (Chance(24)) members.Add($$"""{{Space()}}"{{OneOf("fsLayers", "history")}}":[]""");
        return Document(Chance(24) ? MediaTypes.DockerManifest : type, members);
    }
}

/// <summary>Manifests that are not images: an artifact type, an empty config, a subject, layers of any type.</summary>
internal sealed class ArtifactDocuments(int seed) : ChanceDocuments(seed)
{
    public override Written Write(int number)
    {
        var layers = Enumerable.Range(0, 1 + Below(3)).Select(i => Content($"{number} {i}"));
        List<string> members =
        [
            Member("schemaVersion", "2", "2"),
            Member("mediaType", Text(MediaTypes.OciManifest), Text(MediaTypes.OciManifest)),
            Member("artifactType", Text("application/vnd.example.type"), Text("application/vnd.example.evil")),
            Member("config", Config(), Layer($"{number} config", "application/vnd.example.evil")),
            Member("layers", $"[{string.Join(',', layers)}]", $"[{Layer($"{number} evil")}]"),
        ];
        if (Chance(2)) members.Add(Subject($"{number}"));
        if (Chance(6)) members.Add(Unknown(Layer($"{number} unknown")));
        return Document(MediaTypes.OciManifest, members);
    }

    // Shared by all, because there is only one.
    private string Config() => Descriptor(MediaTypes.OciEmpty, "{}"u8.ToArray());

    // Sometimes a layer with the media type of a manifest that could be taken for one: it exists as a blob and as a manifest.
    private string Content(string text)
    {
        if (!Chance(24))
            return Layer(text, OneOf("text/plain", "application/vnd.example+json", "application/vnd.oci.image.layer.v1.tar+gzip"));
        var image = Image(text, OneOf(MediaTypes.OciManifest, MediaTypes.DockerManifest));
        Manifest(image);
        return Descriptor(image.Type, image.Bytes);
    }
}
