using System.Text;
using Xunit;
using static Gateway.Oci.Tests.ManifestTexts;

namespace Gateway.Oci.Tests;

/// <summary>The reader accepts what real clients write, and refuses ambiguous documents.</summary>
public sealed class ManifestReaderTests
{
    [Fact]
    public void Every_field_of_an_image_manifest_is_read()
    {
        var manifest = Accept($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","artifactType":"application/x.y","config":{{Config}},
             "layers":[{{WithField("""
                "urls":["https://a/b"],"annotations":{"a":"b"}
                """)}}],"subject":{{Child}},"annotations":{"k":"v"} }
            """, MediaTypes.OciManifest);
        Assert.Equal(MediaTypes.OciManifest, manifest.MediaType);
        Assert.Equal("application/x.y", manifest.ArtifactType);
        Assert.Equal(MediaTypes.OciConfig, manifest.Config!.MediaType);
        var layer = Assert.Single(manifest.Layers);
        Assert.Equal((Digest.Parse(Sha), 2L), (layer.Digest, layer.Size));
        Assert.Equal(["https://a/b"], layer.Urls);
        Assert.Equal("b", layer.Annotations["a"]);
        Assert.Equal(Sha, manifest.Subject!.Digest.ToString());
        Assert.Equal("v", manifest.Annotations["k"]);
    }

    [Fact]
    public void Platforms_of_an_index_are_read()
    {
        var children = WithField("""
            "platform":{"os":"windows","architecture":"amd64","os.version":"10.0","os.features":["win32k"],"variant":"v8"}
            """, Child);
        var index = Accept(Index(children: children), MediaTypes.OciIndex);
        Assert.True(index.IsIndex);
        Assert.Equal(new Platform("windows", "amd64", "v8"), index.Children[0].Platform);
    }

    [Theory]
    [InlineData("\"org.example.custom\":{\"a\":[1,2.5,-1e3,true,null]}")]
    [InlineData("\"annotations\":null")]
    [InlineData("\"subject\":null")]
    [InlineData("\"artifactType\":\"\"")]
    [InlineData("\"annotations\":{\"Key\":\"1\",\"key\":\"2\",\"layers\":\"3\",\"\":\"\"}")]
    [InlineData("\"annotations\":{\"title\":\"ü 😀 \\ud83d\\ude00\"}")]
    public void Harmless_unknown_fields_are_accepted(string more) => Accept(Image(more));

    [Theory]
    [InlineData($$"""{"schemaVersion":2,"config":{{Empty}},"layers":[],"artifactType":"application/x"}""", MediaTypes.OciManifest)]
    [InlineData($$"""{"schemaVersion":2,"config":{{Config}},"layers":null}""", MediaTypes.OciManifest)]
    [InlineData($$"""{"schemaVersion":2,"config":{{Config}},"layers":[{{Layer}}],"manifests":null}""", MediaTypes.OciManifest)]
    [InlineData("""{"schemaVersion":2,"manifests":[]}""", MediaTypes.OciIndex)]
    [InlineData("""{"schemaVersion":2,"manifests":null}""", MediaTypes.OciIndex)]
    public void Document_without_a_media_type_is_classified_by_its_fields(string json, string type) =>
        Assert.Equal(type, Accept(json, type).MediaType);

    [Theory]
    [InlineData("\"data\":\"e30=\"")]
    [InlineData("\"data\":null,\"urls\":null,\"platform\":null")]
    [InlineData("\"artifactType\":\"application/vnd.example+type\"")]
    [InlineData("\"platform\":{\"os\":\"\",\"architecture\":\"\"}")]
    [InlineData("\"platform\":{\"architecture\":\"wasm\"}")]
    public void Harmless_unknown_fields_of_a_descriptor_are_accepted(string more) => Accept(Image(layers: WithField(more)));

    [Theory]
    [InlineData(MediaTypes.DockerManifest)]
    [InlineData(MediaTypes.OciManifest)]
    public void Media_type_of_an_image_manifest_is_the_one_in_its_body(string type) =>
        Assert.Equal(type, Accept(Image($"\"mediaType\":\"{type}\""), type).MediaType);

    [Theory]
    [InlineData(MediaTypes.OciIndex)]
    [InlineData(MediaTypes.DockerList)]
    public void Media_type_of_an_index_is_the_one_in_its_body(string type) =>
        Assert.Equal(type, Accept(Index($"\"mediaType\":\"{type}\""), type).MediaType);

    [Fact]
    public void Whitespace_around_the_document_is_accepted() => Accept(" \r\n\t" + Image() + "\n");

    [Theory]
    [InlineData(MediaTypes.OciManifest)]
    [InlineData(MediaTypes.DockerList)]
    public void Index_with_another_content_type_is_refused(string contentType) =>
        Refuse(ProblemCodes.MediaMismatch, Index($"\"mediaType\":\"{MediaTypes.OciIndex}\""), contentType);

    [Theory]
    [InlineData(MediaTypes.OciIndex)]
    [InlineData(MediaTypes.DockerManifest)]
    public void Image_manifest_with_another_content_type_is_refused(string contentType) =>
        Refuse(ProblemCodes.MediaMismatch, Image($"\"mediaType\":\"{MediaTypes.OciManifest}\""), contentType);

    [Fact]
    public void Fields_that_contradict_the_content_type_are_refused() =>
        Refuse(ProblemCodes.MediaMismatch, Index(), MediaTypes.OciManifest);

    [Fact]
    public void Both_forms_in_one_document_are_refused()
    {
        Refuse(ProblemCodes.AmbiguousDocument, Image($"\"manifests\":[{Child}]"));
        Refuse(ProblemCodes.AmbiguousDocument, Index("\"layers\":[]"));
        Refuse(ProblemCodes.AmbiguousDocument, Index($"\"config\":{Config}"));
    }

    [Fact]
    public void Media_type_that_contradicts_the_fields_is_refused()
    {
        Refuse(ProblemCodes.AmbiguousDocument, Image($"\"mediaType\":\"{MediaTypes.OciIndex}\""));
        Refuse(ProblemCodes.AmbiguousDocument, Index($"\"mediaType\":\"{MediaTypes.OciManifest}\""));
    }

    // oras and containerd follow an entry with the media type of a manifest anywhere; others treat every layer as a blob.
    [Theory]
    [InlineData(MediaTypes.OciManifest)]
    [InlineData(MediaTypes.OciIndex)]
    [InlineData(MediaTypes.DockerManifest)]
    [InlineData(MediaTypes.DockerList)]
    public void Layer_or_config_with_the_media_type_of_a_manifest_is_refused(string type)
    {
        var called = $$"""{"mediaType":"{{type}}","digest":"{{Sha}}","size":2}""";
        Assert.StartsWith(
            "layers[1]: ", Refuse(ProblemCodes.AmbiguousDocument, Image(layers: $"{Layer},{called}")), StringComparison.Ordinal);
        Assert.StartsWith("config: ", Refuse(ProblemCodes.AmbiguousDocument, Image(config: called)), StringComparison.Ordinal);
        Accept(Image($"\"subject\":{called}"));
    }

    [Theory]
    [InlineData("\"fsLayers\":[]")]
    [InlineData("\"history\":[]")]
    public void Fields_of_schema_1_are_refused(string field)
    {
        Refuse(ProblemCodes.AmbiguousDocument, Image(field));
        Refuse(ProblemCodes.AmbiguousDocument, Index(field));
    }

    [Theory]
    [InlineData("\"layers\":[]")]
    [InlineData("\"layer\\u0073\":[]")]
    [InlineData("\"config\":null")]
    [InlineData("\"annotations\":{\"a\":\"1\",\"a\":\"2\"}")]
    [InlineData("\"annotations\":{\"a\":\"1\",\"\\u0061\":\"2\"}")]
    [InlineData("\"x\":1,\"x\":2")]
    [InlineData("\"x\":1,\"\\u0078\":2")]
    [InlineData("\"x\":[{\"y\":{\"a\":1,\"a\":1}}]")]
    public void Duplicate_keys_are_refused(string more) => Refuse(ProblemCodes.DuplicateKey, Image(more));

    [Theory]
    [InlineData("\"size\":2")]
    [InlineData("\"digest\":\"" + Sha + "\"")]
    [InlineData("\"platform\":{\"os\":\"a\",\"os\":\"b\"}")]
    public void Duplicate_keys_in_a_descriptor_are_refused(string more) =>
        Refuse(ProblemCodes.DuplicateKey, Image(layers: WithField(more)));

    [Theory]
    [InlineData("Layers")]
    [InlineData("LAYERS")]
    [InlineData("layerſ")]
    [InlineData("layer\\u017f")]
    [InlineData("\\u004dediaType")]
    [InlineData("annotationS")]
    [InlineData("FSLayers")]
    public void Key_that_matches_a_known_key_only_when_case_is_folded_is_refused(string key)
    {
        Refuse(ProblemCodes.AmbiguousKey, Image($"\"{key}\":[]"));
        Refuse(ProblemCodes.AmbiguousKey, Image($"\"{key}\":null"));
    }

    [Theory]
    [InlineData("\"Size\":3")]
    [InlineData("\"Digest\":\"x\"")]
    [InlineData("\"url\\u017f\":[]")]
    [InlineData("\"platform\":{\"OS\":\"linux\"}")]
    public void Descriptor_key_that_matches_a_known_key_only_when_case_is_folded_is_refused(string more) =>
        Refuse(ProblemCodes.AmbiguousKey, Image(layers: WithField(more)));

    [Theory]
    [InlineData("\"Extra\":1,\"extra\":2")]
    [InlineData("\"kind\":1,\"\\u212Aind\":2")]
    [InlineData("\"x\":{\"ſ\":1,\"S\":2}")]
    public void Unknown_keys_that_differ_only_in_case_are_refused(string more) => Refuse(ProblemCodes.DuplicateKey, Image(more));

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("{")]
    public void Document_that_is_not_an_object_is_refused(string json) => Assert.NotNull(Read(json).Problem);

    [Theory]
    [InlineData("\uFEFF", "")]
    [InlineData("", "x")]
    [InlineData("", "{}")]
    [InlineData("", "\0")]
    [InlineData("", " // comment")]
    [InlineData("/* comment */", "")]
    public void Bytes_before_or_after_the_document_are_refused(string before, string after) =>
        Refuse(ProblemCodes.NotJson, before + Image() + after);

    [Theory]
    [InlineData("\"x\":NaN")]
    [InlineData("\"x\":01")]
    [InlineData("\"x\":1,")]
    [InlineData("\"x\":'y'")]
    [InlineData("\"x\":\"a\0b\"")]
    [InlineData("\"x\":\"\\ud800\"")]
    [InlineData("\"x\":[\"\\udc00\\ud800\"]")]
    [InlineData("\"\\ud800\":1")]
    [InlineData("\"annotations\":{\"a\":\"\\ud800x\"}")]
    public void Json_that_is_not_strict_is_refused(string more) => Refuse(ProblemCodes.NotJson, Image(more));

    [Fact]
    public void Invalid_utf8_is_refused()
    {
        var bytes = Encoding.Latin1.GetBytes(Image("\"x\":\"\u00ff\""));
        Refuse(ProblemCodes.NotJson, ManifestReader.Read(bytes, null, new()));
    }

    [Theory]
    [InlineData(MediaTypes.DockerSchema1)]
    [InlineData(MediaTypes.DockerSchema1Signed)]
    public void Schema_1_is_recognized_by_its_content_type(string contentType) => Refuse(ProblemCodes.Schema1, "{}", contentType);

    [Theory]
    [InlineData("""{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[{"v1Compatibility":"{}"}]}""")]
    [InlineData("""{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}""")]
    public void Schema_1_is_recognized_by_its_body(string json)
    {
        Refuse(ProblemCodes.Schema1, json);
        Refuse(ProblemCodes.MediaMismatch, json, MediaTypes.OciManifest);
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/octet-stream")]
    [InlineData("text/html")]
    [InlineData("Application/Vnd.oci.image.manifest.v1+json")]
    [InlineData("")]
    public void Other_content_types_are_refused(string contentType) => Refuse(ProblemCodes.UnsupportedType, Image(), contentType);

    [Fact]
    public void Media_type_that_is_not_a_manifest_type_is_refused() =>
        Refuse(ProblemCodes.UnsupportedType, Image("\"mediaType\":\"application/vnd.example.other\""));
}
