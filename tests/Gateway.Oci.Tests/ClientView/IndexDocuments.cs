using System.Text;

namespace Gateway.Oci.Tests.ClientView;

/// <summary>
/// Indexes of OCI and lists of Docker. Their children are images, entries with a false media type, and (except in flat ones, for clients
/// that accept no others) indexes and blobs.
/// </summary>
internal sealed class IndexDocuments(int seed, bool flat) : ChanceDocuments(seed)
{
    public override Written Write(int number)
    {
        var type = OneOf(MediaTypes.OciIndex, MediaTypes.OciIndex, MediaTypes.DockerList);
        List<string> members =
        [
            Member("schemaVersion", "2", "2"),
            Member("manifests", $"[{string.Join(',', Children($"{number}"))}]", $"[{Child($"{number} evil")}]"),
        ];
        if (type == MediaTypes.DockerList || Chance(2)) members.Add(Member("mediaType", Text(type), Text(type)));
        if (Chance(4)) members.Add(Member("annotations", $$"""{"manifests":"{{number}}"}""", "{}"));
        if (Chance(4)) members.Add(Unknown(Child($"{number} unknown")));
        if (Chance(8)) members.Add(Subject($"{number}"));
        if (Chance(12)) members.Add($$"""{{Space()}}"{{OneOf("layers", "config")}}":{{OneOf("null", Layer($"{number} layer"))}}""");
        if (Chance(12)) members.Add(Member("artifactType", "\"\"", Text("application/vnd.example.evil")));
        return Document(Chance(24) ? MediaTypes.OciManifest : type, members);
    }

    private List<string> Children(string text)
    {
        var children = Enumerable.Range(0, Below(5)).Select(i => Child($"{text} {i}")).ToList();
        if (Chance(8)) children.AddRange(children);
        return children;
    }

    private string Child(string text)
    {
        if (!flat && Chance(12))
            return Layer(text, OneOf("application/vnd.buildkit.cacheconfig.v0", "application/vnd.oci.image.Manifest.v1+json"));
        var image = Image(text, OneOf(MediaTypes.OciManifest, MediaTypes.OciManifest, MediaTypes.DockerManifest));
        var (child, evil) = (!flat && Chance(6) ? Nested(text) : image, Image($"{text} evil", image.Type));
        // Served with the type in the index, as a registry that trusts its index would do.
        var called = Chance(24) ? OneOf(MediaTypes.OciManifest, MediaTypes.OciIndex, MediaTypes.DockerManifest) : child.Type;
        return Descriptor(called, Manifest(child with { Type = called }), Manifest(evil), child.Bytes);
    }

    private Written Nested(string text)
    {
        var inner = Image($"{text} inner");
        var child = Descriptor(inner.Type, Manifest(inner), Manifest(Image($"{text} evil inner")), inner.Bytes);
        return new(
            Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{{child}}]}"""),
            MediaTypes.OciIndex);
    }
}
