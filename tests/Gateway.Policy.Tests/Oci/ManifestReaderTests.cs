using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Policy.Tests.Oci;

/// <summary>What honest clients write is read; what two readers could take differently is not.</summary>
public sealed class ManifestReaderTests
{
    private const string Sha = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    private const string Empty = $$"""{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{{Sha}}","size":2}""";
    private const string Layer = $$"""{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{{Sha}}","size":2}""";
    private const string Config = $$"""{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{{Sha}}","size":2}""";
    private const string Child = $$"""{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{{Sha}}","size":2}""";

    private static (Manifest? Manifest, ManifestProblem? Problem) Read(
        string json, string? contentType = null, ManifestLimits? limits = null) =>
        ManifestReader.Read(Encoding.UTF8.GetBytes(json), contentType, limits ?? new());

    private static Manifest Accept(string json, string? contentType = null)
    {
        var (manifest, problem) = Read(json, contentType);
        Assert.Null(problem);
        return manifest!;
    }

    private static string Refuse(string code, string json, string? contentType = null, ManifestLimits? limits = null) =>
        Refuse(code, Read(json, contentType, limits));

    private static string Refuse(string code, (Manifest? Manifest, ManifestProblem? Problem) answer)
    {
        Assert.Null(answer.Manifest);
        Assert.NotNull(answer.Problem);
        Assert.Equal(code, answer.Problem.Code);
        Assert.InRange(answer.Problem.Message.Length, 1, 400);
        Assert.DoesNotContain(answer.Problem.Message, static c => c is < ' ' or > '~');
        return answer.Problem.Message;
    }

    private static string Image(string more = "", string layers = Layer, string config = Config) =>
        $$"""{"schemaVersion":2,"config":{{config}},"layers":[{{layers}}]{{(more.Length == 0 ? "" : "," + more)}}}""";

    private static string Index(string more = "", string children = Child) =>
        $$"""{"schemaVersion":2,"manifests":[{{children}}]{{(more.Length == 0 ? "" : "," + more)}}}""";

    private static string WithField(string field, string layer = Layer) => layer.Insert(1, field + ",");

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
    public void Honest_extras_are_accepted(string more) => Accept(Image(more));

    [Theory]
    [InlineData($$"""{"schemaVersion":2,"config":{{Empty}},"layers":[],"artifactType":"application/x"}""", MediaTypes.OciManifest)]
    [InlineData($$"""{"schemaVersion":2,"config":{{Config}},"layers":null}""", MediaTypes.OciManifest)]
    [InlineData($$"""{"schemaVersion":2,"config":{{Config}},"layers":[{{Layer}}],"manifests":null}""", MediaTypes.OciManifest)]
    [InlineData("""{"schemaVersion":2,"manifests":[]}""", MediaTypes.OciIndex)]
    [InlineData("""{"schemaVersion":2,"manifests":null}""", MediaTypes.OciIndex)]
    public void Form_decides_where_the_body_names_no_type(string json, string type) => Assert.Equal(type, Accept(json, type).MediaType);

    [Theory]
    [InlineData("\"data\":\"e30=\"")]
    [InlineData("\"data\":null,\"urls\":null,\"platform\":null")]
    [InlineData("\"artifactType\":\"application/vnd.example+type\"")]
    [InlineData("\"platform\":{\"os\":\"\",\"architecture\":\"\"}")]
    [InlineData("\"platform\":{\"architecture\":\"wasm\"}")]
    public void Honest_extras_of_a_descriptor_are_accepted(string more) => Accept(Image(layers: WithField(more)));

    [Theory]
    [InlineData(MediaTypes.DockerManifest)]
    [InlineData(MediaTypes.OciManifest)]
    public void Named_type_is_the_type(string type) => Assert.Equal(type, Accept(Image($"\"mediaType\":\"{type}\""), type).MediaType);

    [Theory]
    [InlineData(MediaTypes.OciIndex)]
    [InlineData(MediaTypes.DockerList)]
    public void Named_index_type_is_the_type(string type) => Assert.Equal(type, Accept(Index($"\"mediaType\":\"{type}\""), type).MediaType);

    [Fact]
    public void Whitespace_around_the_document_is_accepted() => Accept(" \r\n\t" + Image() + "\n");

    [Theory]
    [InlineData(MediaTypes.OciManifest)]
    [InlineData(MediaTypes.DockerList)]
    public void Body_that_is_an_index_is_no_other_document(string contentType) =>
        Refuse(ProblemCodes.MediaMismatch, Index($"\"mediaType\":\"{MediaTypes.OciIndex}\""), contentType);

    [Theory]
    [InlineData(MediaTypes.OciIndex)]
    [InlineData(MediaTypes.DockerManifest)]
    public void Body_that_is_a_manifest_is_no_other_document(string contentType) =>
        Refuse(ProblemCodes.MediaMismatch, Image($"\"mediaType\":\"{MediaTypes.OciManifest}\""), contentType);

    [Fact]
    public void Form_counts_where_the_body_names_no_type() => Refuse(ProblemCodes.MediaMismatch, Index(), MediaTypes.OciManifest);

    [Fact]
    public void Both_forms_in_one_document_are_refused()
    {
        Refuse(ProblemCodes.AmbiguousDocument, Image($"\"manifests\":[{Child}]"));
        Refuse(ProblemCodes.AmbiguousDocument, Index("\"layers\":[]"));
        Refuse(ProblemCodes.AmbiguousDocument, Index($"\"config\":{Config}"));
    }

    [Fact]
    public void Named_type_against_the_form_is_refused()
    {
        Refuse(ProblemCodes.AmbiguousDocument, Image($"\"mediaType\":\"{MediaTypes.OciIndex}\""));
        Refuse(ProblemCodes.AmbiguousDocument, Index($"\"mediaType\":\"{MediaTypes.OciManifest}\""));
    }

    // oras and containerd follow what is called a manifest wherever it stands; others take every layer for a blob.
    [Theory]
    [InlineData(MediaTypes.OciManifest)]
    [InlineData(MediaTypes.OciIndex)]
    [InlineData(MediaTypes.DockerManifest)]
    [InlineData(MediaTypes.DockerList)]
    public void Layer_or_config_that_is_called_a_manifest_is_refused(string type)
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
    public void Keys_that_only_some_readers_take_for_known_ones_are_refused(string key)
    {
        Refuse(ProblemCodes.AmbiguousKey, Image($"\"{key}\":[]"));
        Refuse(ProblemCodes.AmbiguousKey, Image($"\"{key}\":null"));
    }

    [Theory]
    [InlineData("\"Size\":3")]
    [InlineData("\"Digest\":\"x\"")]
    [InlineData("\"url\\u017f\":[]")]
    [InlineData("\"platform\":{\"OS\":\"linux\"}")]
    public void Keys_that_only_some_readers_take_for_known_ones_are_refused_in_descriptors_too(string more) =>
        Refuse(ProblemCodes.AmbiguousKey, Image(layers: WithField(more)));

    [Theory]
    [InlineData("\"Extra\":1,\"extra\":2")]
    [InlineData("\"kind\":1,\"\\u212Aind\":2")]
    [InlineData("\"x\":{\"ſ\":1,\"S\":2}")]
    public void Unknown_keys_that_collide_are_refused(string more) => Refuse(ProblemCodes.DuplicateKey, Image(more));

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("{")]
    public void What_is_no_object_is_refused(string json) => Assert.NotNull(Read(json).Problem);

    [Theory]
    [InlineData("\uFEFF", "")]
    [InlineData("", "x")]
    [InlineData("", "{}")]
    [InlineData("", "\0")]
    [InlineData("", " // comment")]
    [InlineData("/* comment */", "")]
    public void Nothing_may_stand_around_the_document(string before, string after) =>
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
    public void Other_than_strict_json_is_refused(string more) => Refuse(ProblemCodes.NotJson, Image(more));

    [Fact]
    public void Invalid_utf8_is_refused()
    {
        var bytes = Encoding.Latin1.GetBytes(Image("\"x\":\"\u00ff\""));
        Refuse(ProblemCodes.NotJson, ManifestReader.Read(bytes, null, new()));
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("-0")]
    [InlineData("1e3")]
    [InlineData("2.0")]
    [InlineData("9007199254740992")]
    [InlineData("9223372036854775808")]
    [InlineData("99999999999999999999999")]
    [InlineData("\"12\"")]
    [InlineData("true")]
    [InlineData("[2]")]
    public void Size_is_a_plain_whole_number(string size)
    {
        var message = Refuse(
            ProblemCodes.FieldInvalid,
            Image(layers: Layer + "," + Layer.Replace("\"size\":2", "\"size\":" + size, StringComparison.Ordinal)));
        Assert.StartsWith("layers[1].size: expected a whole number", message, StringComparison.Ordinal);
        Refuse(ProblemCodes.FieldInvalid, Image(config: Config.Replace("\"size\":2", "\"size\":" + size, StringComparison.Ordinal)));
    }

    [Fact]
    public void Largest_size_is_accepted() =>
        Assert.Equal(
            9007199254740991,
            Accept(Image(layers: Layer.Replace("\"size\":2", "\"size\":9007199254740991", StringComparison.Ordinal))).Layers[0].Size);

    [Fact]
    public void Document_over_the_limit_is_refused_before_it_is_parsed() =>
        Refuse(ProblemCodes.LimitBytes, new string('x', 101), limits: new ManifestLimits { MaxBytes = 100 });

    [Fact]
    public void Nesting_is_bounded()
    {
        // The document itself is the first level.
        Accept(Image("\"x\":" + new string('[', 31) + new string(']', 31)));
        Refuse(ProblemCodes.LimitDepth, Image("\"x\":" + new string('[', 32) + new string(']', 32)));
        Refuse(ProblemCodes.LimitDepth, Image("\"x\":" + string.Concat(Enumerable.Repeat("{\"a\":", 10_000))));
    }

    [Fact]
    public void Descriptors_are_bounded_over_the_whole_document()
    {
        var limits = new ManifestLimits { MaxDescriptors = 5 };
        Assert.Null(Read(Image($"\"subject\":{Child}", string.Join(',', Enumerable.Repeat(Layer, 3))), limits: limits).Problem);
        Refuse(ProblemCodes.LimitDescriptors, Image($"\"subject\":{Child}", string.Join(',', Enumerable.Repeat(Layer, 4))), limits: limits);
        Refuse(ProblemCodes.LimitDescriptors, Index(children: string.Join(',', Enumerable.Repeat(Child, 2001))));
    }

    [Fact]
    public void Annotations_are_bounded_over_the_whole_document()
    {
        var half = new string('a', 128 * 1024 - 1);
        var other = WithField($"\"annotations\":{{\"l\":\"{half}\"}}");
        Accept(Image($"\"annotations\":{{\"k\":\"{half}\"}}", other));
        Refuse(ProblemCodes.LimitAnnotations, Image($"\"annotations\":{{\"kk\":\"{half}\"}}", other));
    }

    [Fact]
    public void Unknown_keys_are_bounded() =>
        Refuse(ProblemCodes.LimitKeys, Image(string.Join(',', Enumerable.Range(0, 10_001).Select(static i => $"\"k{i}\":0"))));

    [Theory]
    [InlineData(MediaTypes.DockerSchema1)]
    [InlineData(MediaTypes.DockerSchema1Signed)]
    public void Schema_1_is_known_by_its_content_type(string contentType) => Refuse(ProblemCodes.Schema1, "{}", contentType);

    [Theory]
    [InlineData("""{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[{"v1Compatibility":"{}"}]}""")]
    [InlineData("""{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}""")]
    public void Schema_1_is_known_by_its_body(string json)
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

    [Theory]
    [InlineData("fX0=")]
    [InlineData("e30K")]
    [InlineData("")]
    public void Inline_data_must_be_what_the_descriptor_says(string data) =>
        Refuse(ProblemCodes.DataMismatch, Image(config: WithField($"\"data\":\"{data}\"", Empty)));

    [Theory]
    [InlineData("\"%%%\"")]
    [InlineData("\"e3\"")]
    [InlineData("\"e31=\"")]
    [InlineData("\"e30\\u0000\"")]
    [InlineData("1")]
    public void Inline_data_is_base64(string data) =>
        Refuse(ProblemCodes.FieldInvalid, Image(config: WithField($"\"data\":{data}", Empty)));

    [Fact]
    public void Inline_data_is_bounded()
    {
        static string WithData(int length)
        {
            var data = new byte[length];
            return $$"""{"mediaType":"a/b","digest":"{{Digest.Of(data)}}","size":{{length}},"data":"{{Convert.ToBase64String(data)}}"}""";
        }

        Accept(Image(layers: WithData(65536)));
        Refuse(ProblemCodes.LimitData, Image(layers: WithData(65537)));
        Refuse(ProblemCodes.LimitData, Image(layers: WithData(1_000_000)));
    }

    [Theory]
    [InlineData("sha256:44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A")]
    [InlineData("SHA256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")]
    [InlineData("sha256-44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")]
    [InlineData("\u0455ha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")]
    [InlineData("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8\u0661")]
    [InlineData("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\\n")]
    [InlineData("sha256:44136fa3")]
    [InlineData("sha256:../../../../etc/passwd")]
    [InlineData("md5:d41d8cd98f00b204e9800998ecf8427e")]
    [InlineData("")]
    public void Digests_have_one_spelling(string digest) =>
        Refuse(ProblemCodes.DigestInvalid, Image(layers: Layer.Replace(Sha, digest, StringComparison.Ordinal)));

    [Fact]
    public void Sha512_is_accepted()
    {
        var digest = Digest.Of("{}"u8, DigestAlgorithm.Sha512).ToString();
        Assert.Equal(
            digest,
            Accept(Image(layers: WithField("\"data\":\"e30=\"").Replace(Sha, digest, StringComparison.Ordinal)))
                .Layers[0].Digest.ToString());
    }

    [Theory]
    [InlineData("application/vnd.oci.image.layer.v1.tar; charset=utf-8")]
    [InlineData("application/vnd.oci image")]
    [InlineData(" application/x")]
    [InlineData("application/x\\u0000")]
    [InlineData("text/html\\r\\nX: y")]
    [InlineData("application")]
    [InlineData("application/")]
    [InlineData("/x")]
    [InlineData("a/b/c")]
    [InlineData("a/ä")]
    [InlineData("!!a/b!!")]
    [InlineData("")]
    public void Media_types_are_plain_tokens(string type) =>
        Refuse(
            ProblemCodes.MediaTypeInvalid,
            Image(layers: Layer.Replace("application/vnd.oci.image.layer.v1.tar+gzip", type, StringComparison.Ordinal)));

    [Fact]
    public void Long_media_types_are_refused()
    {
        var longest = new string('a', 127) + "/" + new string('b', 127);
        Accept(Image($"\"artifactType\":\"{longest}\""));
        Refuse(ProblemCodes.MediaTypeInvalid, Image($"\"artifactType\":\"{longest}b\""));
        Refuse(ProblemCodes.MediaTypeInvalid, Image($"\"artifactType\":\"a/{new string('b', 4096)}\""));
    }

    [Theory]
    [InlineData("artifactType")]
    [InlineData("mediaType")]
    public void Types_of_the_document_are_plain_tokens(string field) =>
        Refuse(ProblemCodes.MediaTypeInvalid, Image($"\"{field}\":\"text/html; charset=utf-8\""));

    [Fact]
    public void Layers_with_urls_are_read_for_the_gate_to_judge() =>
        Assert.Equal(["file:///etc/passwd"], Accept(Image(layers: WithField("\"urls\":[\"file:///etc/passwd\"]"))).Layers[0].Urls);

    [Fact]
    public void Words_of_strangers_are_escaped_in_messages()
    {
        var message = Refuse(
            ProblemCodes.DigestInvalid,
            Image(layers: Layer.Replace(Sha, "\u009b2J\u202e" + new string('x', 4000), StringComparison.Ordinal)));
        Assert.StartsWith("layers[0].digest: expected sha256:", message, StringComparison.Ordinal);
        Assert.Contains(@"\u009b2J\u202exxx", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"config":{},"layers":[]}""")]
    [InlineData($$"""{"schemaVersion":2,"layers":[{{Layer}}]}""")]
    [InlineData($$"""{"schemaVersion":2,"config":{{Config}}}""")]
    [InlineData($$"""{"config":{{Config}},"layers":[]}""")]
    [InlineData("""{"schemaVersion":2}""")]
    [InlineData($$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}"}""")]
    [InlineData("""{"schemaVersion":2,"manifests":[{}]}""")]
    [InlineData("""{"schemaVersion":2,"manifests":[{"mediaType":"a/b"}]}""")]
    [InlineData($$"""{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"{{Sha}}"}]}""")]
    public void Missing_fields_are_named(string json) => Refuse(ProblemCodes.FieldMissing, json);

    [Theory]
    [InlineData(MediaTypes.DockerManifest)]
    [InlineData(MediaTypes.DockerList)]
    public void Docker_formats_name_their_type(string type) =>
        Refuse(ProblemCodes.FieldMissing, MediaTypes.IsIndex(type) ? Index() : Image(), type);

    [Theory]
    [InlineData("1")]
    [InlineData("3")]
    [InlineData("\"2\"")]
    [InlineData("2.0")]
    public void Schema_version_is_two(string version) =>
        Refuse(ProblemCodes.FieldInvalid, $$"""{"schemaVersion":{{version}},"config":{{Config}},"layers":[]}""");

    [Theory]
    [InlineData("\"annotations\":[]")]
    [InlineData("\"annotations\":{\"a\":1}")]
    [InlineData("\"annotations\":{\"a\":null}")]
    [InlineData("\"artifactType\":1")]
    [InlineData("\"subject\":[]")]
    public void Fields_of_another_type_are_refused(string more) => Refuse(ProblemCodes.FieldInvalid, Image(more));

    [Fact]
    public void Type_that_is_no_document_is_refused() =>
        Refuse(ProblemCodes.UnsupportedType, Image("\"mediaType\":\"application/vnd.example.other\""));
}
