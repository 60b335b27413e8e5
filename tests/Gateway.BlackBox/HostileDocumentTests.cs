using System.Globalization;
using System.Net;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// Documents that two parsers could read differently, and other traps: refused whole, with a status that clients understand.
/// </summary>
public sealed class HostileDocumentTests(RegistryFixture fixture) : IClassFixture<RegistryFixture>
{
    private const string Repository = "hostile/documents";
    private const string Index = OciLayout.ImageIndex;
    private const string Manifest = OciLayout.ImageManifest;

    private IRegistry Registry => fixture.Registry;

    /// <summary>Name, Content-Type, document. CONFIG and LAYER are replaced by descriptors of stored blobs.</summary>
    public static TheoryData<string, string, string> Malformed => new()
    {
        { "an index sent as a manifest", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Index}}","manifests":[]}""" },
        { "a manifest sent as an index", Index, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER]}""" },
        { "both manifests and layers", Manifest, """{"schemaVersion":2,"config":CONFIG,"layers":[LAYER],"manifests":[]}""" },
        { "a manifest with the history of schema 1", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER],"fsLayers":[]}""" },
        { "a key twice", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER],"layers":[]}""" },
        { "a key twice, once escaped", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER],"layer\u0073":[]}""" },
        { "a key in another case", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER],"Layers":[]}""" },
        { "a key with the long s", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER],"layer\u017f":[]}""" },
        { "a nested key in another case", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","Digest":"sha256:00","digest":"LAYERDIGEST","size":5}]}""" },
        { "a layer that is called a manifest", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"{{Manifest}}","digest":"LAYERDIGEST","size":5}]}""" },
        { "a byte order mark", Manifest, $$"""{{'\uFEFF'}}{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER]}""" },
        { "more after the document", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER]}{}""" },
        { "a comment", Manifest, $$"""{"schemaVersion":2,/* */"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER]}""" },
        { "not a number", Manifest, $$"""{"schemaVersion":NaN,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER]}""" },
        { "half a surrogate pair", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER],"annotations":{"a":"\ud800"} }""" },
        { "a negative size", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"LAYERDIGEST","size":-5}]}""" },
        { "a size with an exponent", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"LAYERDIGEST","size":5e0}]}""" },
        { "a size that is a string", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"LAYERDIGEST","size":"5"}]}""" },
        { "a size of 2^63", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"LAYERDIGEST","size":9223372036854775808}]}""" },
        { "a size that is not the blob's", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"LAYERDIGEST","size":6}]}""" },
        { "inline data of another digest", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"LAYERDIGEST","size":5,"data":"d3Jvbmc="}]}""" },
        { "a digest in upper case", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"UPPERDIGEST","size":5}]}""" },
        { "a media type with a parameter", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}; charset=utf-8","config":CONFIG,"layers":[LAYER]}""" },
        { "a layer type with a line break", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"text/html\r\nX:y","digest":"LAYERDIGEST","size":5}]}""" },
        { "a layer type with a NUL", Manifest, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{"mediaType":"application/x\u0000","digest":"LAYERDIGEST","size":5}]}""" },
        { "an array", Manifest, "[]" },
        { "nothing", Manifest, "" },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task Ambiguous_or_malformed_document_is_refused(string name, string type, string document)
    {
        using var raw = new RawClient(Registry.Host);
        const string Repository = "hostile/malformed"; // a separate one, because some of these are valid under another name
        var bytes = Encoding.UTF8.GetBytes(await FillInAsync(raw, document, Repository));

        using var answer = await raw.PushManifestAsync(Repository, "malformed", bytes, type);

        await RawClient.ExpectErrorAsync(answer, 400, "MANIFEST_INVALID");
        using var stored = await raw.GetAsync($"/v2/{Repository}/manifests/{Described.Sha256(bytes)}");
        Assert.True(stored.StatusCode == HttpStatusCode.NotFound, $"{name}: expected 404, got {(int)stored.StatusCode}");
    }

    [Fact]
    public async Task Document_that_is_not_utf_8_is_refused()
    {
        using var raw = new RawClient(Registry.Host);
        var document = await FillInAsync(
            raw, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER],"annotations":{"a":"?"} }""");
        var bytes = Encoding.UTF8.GetBytes(document);
        bytes[Array.LastIndexOf(bytes, (byte)'?')] = 0xff;

        using var answer = await raw.PushManifestAsync(Repository, "malformed", bytes);

        await RawClient.ExpectErrorAsync(answer, 400, "MANIFEST_INVALID");
    }

    [Theory]
    [InlineData("layers")]
    [InlineData("config")]
    public async Task Manifest_that_names_an_absent_blob_is_refused(string where)
    {
        using var raw = new RawClient(Registry.Host);
        var absent = new Described(OciLayout.GzipLayer, Described.Sha256("never pushed"u8), 12).ToJson().ToJsonString();
        var document = where == "layers"
            ? $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{{absent}}]}"""
            : $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":{{absent}},"layers":[LAYER]}""";

        using var answer = await raw.PushManifestAsync(Repository, "absent", Encoding.UTF8.GetBytes(await FillInAsync(raw, document)));

        await RawClient.ExpectErrorAsync(answer, 404, "MANIFEST_BLOB_UNKNOWN");
    }

    [Fact]
    public async Task Index_that_names_an_absent_child_is_refused()
    {
        using var raw = new RawClient(Registry.Host);
        var child = new Described(Manifest, Described.Sha256("never pushed"u8), 12).ToJson().ToJsonString();

        using var answer = await raw.PushManifestAsync(
            Repository, "absent", Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{Index}}","manifests":[{{child}}]}"""),
            Index);

        await RawClient.ExpectErrorAsync(answer, 404, "MANIFEST_BLOB_UNKNOWN");
    }

    /// <summary>The media type of the entry, and by how much its size exceeds the child's size.</summary>
    [Theory]
    [InlineData(Manifest, 1)]
    [InlineData(Manifest, -1)]
    [InlineData(Index, 0)]
    [InlineData("application/vnd.docker.distribution.manifest.v2+json", 0)]
    [InlineData("application/vnd.oci.image.layer.v1.tar+gzip", 0)]
    [InlineData("application/octet-stream", 0)]
    public async Task Index_that_lies_about_its_child_is_refused(string type, int more)
    {
        using var raw = new RawClient(Registry.Host);
        var image = await raw.ImageAsync(Repository, "child", "layer"u8.ToArray());
        var lie = new Described(type, Described.Sha256(image), image.Length + more).ToJson().ToJsonString();

        using var answer = await raw.PushManifestAsync(
            Repository, "lie", Encoding.UTF8.GetBytes($$"""{"schemaVersion":2,"mediaType":"{{Index}}","manifests":[{{lie}}]}"""), Index);

        await RawClient.ExpectErrorAsync(answer, 400, "MANIFEST_INVALID");
        Assert.Contains(more == 0 ? "MEDIA_MISMATCH" : "SIZE_MISMATCH", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Blob_of_another_repository_counts_as_absent()
    {
        using var raw = new RawClient(Registry.Host);
        var layer = await raw.BlobAsync("hostile/elsewhere", "only elsewhere"u8.ToArray(), OciLayout.GzipLayer);
        var document = await FillInAsync(
            raw, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[{{layer.ToJson().ToJsonString()}}]}""");

        using var blob = await raw.GetAsync($"/v2/{Repository}/blobs/{layer.Digest}");
        using var answer = await raw.PushManifestAsync(Repository, "leak", Encoding.UTF8.GetBytes(document));

        await RawClient.ExpectErrorAsync(blob, 404, "BLOB_UNKNOWN");
        await RawClient.ExpectErrorAsync(answer, 404, "MANIFEST_BLOB_UNKNOWN");
    }

    [Fact]
    public async Task Manifest_over_the_limit_is_refused_by_its_length_and_without_one()
    {
        using var raw = new RawClient(Registry.Host);
        var large = new byte[16 << 20];
        Array.Fill(large, (byte)' ');

        using var byLength = await raw.PushManifestAsync(Repository, "large", large);
        using var chunked = new StreamContent(new UnknownLength(new MemoryStream(large)));
        chunked.Headers.TryAddWithoutValidation("Content-Type", Manifest);
        using var byCount = await raw.SendAsync(
            HttpMethod.Put, $"/v2/{Repository}/manifests/large", chunked, ("Transfer-Encoding", "chunked"));

        await RawClient.ExpectErrorAsync(byLength, 413, "SIZE_INVALID");
        await RawClient.ExpectErrorAsync(byCount, 413, "SIZE_INVALID");
    }

    [Fact]
    public async Task Endless_nesting_is_refused()
    {
        using var raw = new RawClient(Registry.Host);
        var deep = Encoding.ASCII.GetBytes(
            """{"schemaVersion":2,"annotations":""" + new string('[', 10_000) + new string(']', 10_000) + "}");

        using var answer = await raw.PushManifestAsync(Repository, "deep", deep);

        await RawClient.ExpectErrorAsync(answer, 400, "MANIFEST_INVALID");
    }

    [Fact]
    public async Task Encoded_body_is_refused_and_never_unpacked()
    {
        using var raw = new RawClient(Registry.Host);
        var body = RawClient.Body(OciLayout.Gzip("{}"u8.ToArray()), Manifest);
        body.Headers.ContentEncoding.Add("gzip");

        using var answer = await raw.SendAsync(HttpMethod.Put, $"/v2/{Repository}/manifests/encoded", body);

        await RawClient.ExpectErrorAsync(answer, 415, "UNSUPPORTED");
    }

    [Theory]
    [InlineData("application/vnd.docker.distribution.manifest.v1+prettyjws")]
    [InlineData("application/vnd.docker.distribution.manifest.v1+json")]
    [InlineData("application/json")]
    [InlineData("")]
    public async Task Schema_1_is_refused_under_every_name(string contentType)
    {
        using var raw = new RawClient(Registry.Host);
        var bytes = """{"schemaVersion":1,"name":"a","tag":"b","architecture":"amd64","fsLayers":[],"history":[],"signatures":[]}"""u8.ToArray();
        using var body = new ByteArrayContent(bytes);
        if (contentType.Length > 0)
            body.Headers.TryAddWithoutValidation("Content-Type", contentType);

        using var answer = await raw.SendAsync(HttpMethod.Put, $"/v2/{Repository}/manifests/schema1", body);

        await RawClient.ExpectErrorAsync(answer, 415, "UNSUPPORTED");
    }

    [Fact]
    public async Task Stored_bytes_are_never_converted_to_what_accept_asks_for()
    {
        using var raw = new RawClient(Registry.Host);
        var image = await raw.ImageAsync(Repository, "accept", "layer"u8.ToArray());

        using var answer = await raw.GetAsync(
            $"/v2/{Repository}/manifests/accept", ("Accept", "application/vnd.docker.distribution.manifest.v1+prettyjws"));

        if (answer.StatusCode == HttpStatusCode.OK)
        {
            Assert.Equal(image, await answer.Content.ReadAsByteArrayAsync());
            Assert.Equal(Manifest, answer.Content.Headers.ContentType!.ToString());
        }
        else
        {
            Assert.Contains((int)answer.StatusCode, (int[])[404, 406]);
        }
    }

    [Fact]
    public async Task Parameter_of_the_content_type_is_ignored()
    {
        using var raw = new RawClient(Registry.Host);
        var bytes = Encoding.UTF8.GetBytes(
            await FillInAsync(raw, $$"""{"schemaVersion":2,"mediaType":"{{Manifest}}","config":CONFIG,"layers":[LAYER]}"""));

        using var answer = await raw.PushManifestAsync(Repository, "parameter", bytes, $"{Manifest}; charset=utf-8");

        await RawClient.ExpectAsync(answer, HttpStatusCode.Created);
    }

    [Fact]
    public async Task Html_in_a_blob_is_never_shown_as_html()
    {
        using var raw = new RawClient(Registry.Host);
        var blob = await raw.BlobAsync(Repository, "<script>alert(1)</script>"u8.ToArray(), "text/html");

        using var answer = await raw.GetAsync($"/v2/{Repository}/blobs/{blob.Digest}", ("Accept", "text/html"));

        Assert.Equal("application/octet-stream", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
    }

    private static async Task<string> FillInAsync(RawClient raw, string document, string repository = Repository)
    {
        var config = await raw.BlobAsync(repository, "{}"u8.ToArray(), OciLayout.ImageConfig);
        var layer = await raw.BlobAsync(repository, "layer"u8.ToArray(), OciLayout.GzipLayer);
        return document
            .Replace("LAYERDIGEST", layer.Digest, StringComparison.Ordinal)
            .Replace("UPPERDIGEST", "sha256:" + layer.Digest[7..].ToUpper(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("CONFIG", config.ToJson().ToJsonString(), StringComparison.Ordinal)
            .Replace("LAYER", layer.ToJson().ToJsonString(), StringComparison.Ordinal);
    }

    /// <summary>A stream without a length, so that it is sent in chunks.</summary>
    private sealed class UnknownLength(Stream inner) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
