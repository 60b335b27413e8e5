using Xunit;
using static Gateway.Oci.Tests.ManifestTexts;

namespace Gateway.Oci.Tests;

/// <summary>Allowed values of the fields of a manifest or a descriptor: each value has one spelling.</summary>
public sealed class ManifestFieldTests
{
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
    public void Size_that_is_not_a_plain_whole_number_is_refused(string size)
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

    [Theory]
    [InlineData("fX0=")]
    [InlineData("e30K")]
    [InlineData("")]
    public void Inline_data_that_does_not_match_its_descriptor_is_refused(string data) =>
        Refuse(ProblemCodes.DataMismatch, Image(config: WithField($"\"data\":\"{data}\"", Empty)));

    [Theory]
    [InlineData("\"%%%\"")]
    [InlineData("\"e3\"")]
    [InlineData("\"e31=\"")]
    [InlineData("\"e30\\u0000\"")]
    [InlineData("1")]
    public void Inline_data_that_is_not_base64_is_refused(string data) =>
        Refuse(ProblemCodes.FieldInvalid, Image(config: WithField($"\"data\":{data}", Empty)));

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
    public void Digest_in_another_spelling_is_refused(string digest) =>
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
    public void Media_type_that_is_not_a_plain_token_is_refused(string type) =>
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
    public void Document_type_that_is_not_a_plain_token_is_refused(string field) =>
        Refuse(ProblemCodes.MediaTypeInvalid, Image($"\"{field}\":\"text/html; charset=utf-8\""));

    [Fact]
    public void Layers_with_urls_are_read_so_that_the_gate_can_evaluate_them() =>
        Assert.Equal(["file:///etc/passwd"], Accept(Image(layers: WithField("\"urls\":[\"file:///etc/passwd\"]"))).Layers[0].Urls);

    [Fact]
    public void Text_from_a_client_is_escaped_in_messages()
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
    public void Missing_field_is_named_in_the_message(string json) => Refuse(ProblemCodes.FieldMissing, json);

    [Theory]
    [InlineData(MediaTypes.DockerManifest)]
    [InlineData(MediaTypes.DockerList)]
    public void Docker_document_without_mediaType_is_refused(string type) =>
        Refuse(ProblemCodes.FieldMissing, MediaTypes.IsIndex(type) ? Index() : Image(), type);

    [Theory]
    [InlineData("1")]
    [InlineData("3")]
    [InlineData("\"2\"")]
    [InlineData("2.0")]
    public void Schema_version_other_than_2_is_refused(string version) =>
        Refuse(ProblemCodes.FieldInvalid, $$"""{"schemaVersion":{{version}},"config":{{Config}},"layers":[]}""");

    [Theory]
    [InlineData("\"annotations\":[]")]
    [InlineData("\"annotations\":{\"a\":1}")]
    [InlineData("\"annotations\":{\"a\":null}")]
    [InlineData("\"artifactType\":1")]
    [InlineData("\"subject\":[]")]
    public void Fields_of_another_type_are_refused(string more) => Refuse(ProblemCodes.FieldInvalid, Image(more));
}
