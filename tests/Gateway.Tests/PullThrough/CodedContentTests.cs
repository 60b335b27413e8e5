using System.IO.Compression;
using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Responses with a <c>Content-Encoding</c>: the digest decides whether it is only a label or the bytes are encoded.</summary>
public sealed class CodedContentTests
{
    private static readonly byte[] Small = ScriptedUpstream.Bytes(20_000, seed: 75);
    private static readonly byte[] Large = ScriptedUpstream.Bytes(6_000_000, seed: 76);

    private static byte[] Code(byte[] bytes, string coding)
    {
        using var target = new MemoryStream();
        using (Stream coder = coding switch
        {
            "br" => new BrotliStream(target, CompressionLevel.Fastest),
            "deflate" => new ZLibStream(target, CompressionLevel.Fastest),
            _ => new GZipStream(target, CompressionLevel.Fastest),
        }) coder.Write(bytes);
        return target.ToArray();
    }

    /// <summary>S3 objects often have such a label; Apache's mime magic says <c>x-gzip</c> (moby#17595).</summary>
    [Theory]
    [InlineData("gzip")]
    [InlineData("x-gzip")]
    [InlineData("br")]
    [InlineData("aws-chunked")]
    [InlineData("identity")]
    public async Task Content_whose_received_bytes_match_the_digest_is_served_with_any_encoding_label(string label)
    {
        await using var rig = await Rig.StartAsync();
        // Content that was pushed encoded, and is stored as it was pushed.
        byte[][] layers = [Code(Small, "gzip"), Code(Large, "gzip")];
        var image = rig.Hub.AddImage(Rig.Name, "v1", layers);
        rig.Hub.When(r => r.IsAnyManifest || r.IsAnyBlob).Header("Content-Encoding", label);
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(layers[0], await Rig.ReadAsync(rig.Backing, image.Layers[0]));
        Assert.Equal(layers[1], await Rig.ReadAsync(rig.Backing, image.Layers[1]));
        Assert.Equal(2, rig.Hub.Count(r => r.IsAnyBlob));
        await rig.SettleAsync();
        Assert.True(rig.IsStored(image.Layers[1]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Content_that_was_encoded_in_transit_is_decoded(bool chunked)
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Small, Large);
        var rule = rig.Hub.When(r => r.IsGet).Gzip();
        if (chunked) rule.Chunked();
        Assert.Equal(image.Digest, await rig.PullTagAsync());
        Assert.Equal(Small, await Rig.ReadAsync(rig.Backing, image.Layers[0]));
        Assert.Equal(Large, await Rig.ReadAsync(rig.Backing, image.Layers[1]));
        Assert.Equal(2, rig.Hub.Count(r => r.IsAnyBlob));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Blob_that_no_manifest_names_is_served_encoded_or_not(bool isCoded)
    {
        await using var rig = await Rig.StartAsync();
        var bytes = isCoded ? Small : Code(Small, "gzip");
        var digest = rig.Hub.AddBlob(Rig.Name, bytes);
        var rule = rig.Hub.When(r => r.IsAnyBlob);
        _ = isCoded ? rule.Gzip() : rule.Header("Content-Encoding", "gzip");
        Assert.Equal(bytes, await Rig.ReadAsync(rig.Backing, digest));
    }

    [Fact]
    public async Task Interrupted_download_of_encoded_content_restarts_at_its_beginning()
    {
        await using var rig = await Rig.StartAsync(speed: 20);
        var image = rig.Hub.AddImage(Rig.Name, "v1", Large);
        rig.Hub.When(r => r.IsAnyBlob && r.IsGet).Gzip().Cut(after: 2_000_000).Once();
        rig.Hub.When(r => r.IsAnyBlob && r.IsGet).Gzip().NoRanges();
        await rig.PullTagAsync();
        Assert.Equal(Large, await Rig.ReadAsync(rig.Backing, image.Layers[0]));
        Assert.All(rig.Hub.Requests.Where(r => r.IsAnyBlob), r => Assert.Null(r.Range));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("aws-chunked")]
    public async Task Content_that_matches_neither_encoded_nor_decoded_is_neither_served_nor_stored(string label)
    {
        await using var rig = await Rig.StartAsync(speed: 20);
        var image = rig.Hub.AddImage(Rig.Name, "v1", Small);
        await rig.PullTagAsync();
        rig.Hub.When(r => r.IsAnyBlob).Header("Content-Encoding", label).Flip(at: 10);
        var answer = await rig.Backing.OpenBlobAsync(Rig.D(image.Layers[0]), BlobUse.Whole, default);
        Assert.True(Assert.IsType<Result<IContent>.Unavailable>(answer).Handling.IsFinal);
        Assert.False(rig.IsStored(image.Layers[0]));
        rig.Hub.Behave();
        Assert.Equal(Small, await Rig.ReadAsync(rig.Backing, image.Layers[0]));
    }

    [Fact]
    public async Task Manifest_that_matches_neither_encoded_nor_decoded_is_not_served()
    {
        await using var rig = await Rig.StartAsync();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Small);
        rig.Hub.When(r => r.IsGet).Flip(at: 20).Gzip();
        Assert.Equal("Unavailable", await rig.PullTagAsync());
        Assert.IsType<Result<StoredManifest>.Unavailable>(await rig.Backing.ReadManifestAsync(Rig.D(image.Digest), default));
    }

    [Fact]
    public async Task Encoded_content_that_would_be_too_large_is_not_decoded()
    {
        await using var rig = await Rig.StartAsync();
        var digest = rig.Hub.AddManifest(Rig.Name, new byte[64 << 20], MediaTypes.OciManifest);
        rig.Hub.When(r => r.IsGet).Gzip();
        var answer = await rig.Backing.ReadManifestAsync(Rig.D(digest), default);
        Assert.IsType<Result<StoredManifest>.Unavailable>(answer);
    }

    /// <summary>A label without encoded content is ignored too.</summary>
    [Theory]
    [InlineData("gzip", true)]
    [InlineData("x-gzip", true)]
    [InlineData("br", true)]
    [InlineData("deflate", true)]
    [InlineData("gzip", false)]
    [InlineData("br", false)]
    [InlineData("deflate", false)]
    [InlineData("aws-chunked", false)]
    public async Task Lists_and_tokens_are_decoded(string coding, bool isCoded)
    {
        await using var rig = await Rig.StartAsync();
        rig.Hub.RequireToken();
        var image = rig.Hub.AddImage(Rig.Name, "v1", Small);
        var signature = rig.Hub.AddReferrer(Rig.Name, image.Digest, "application/vnd.test");
        rig.Hub.When(r => r.IsTags || r.IsReferrers || r.IsToken).Code(bytes => isCoded ? Code(bytes, coding) : bytes, coding);
        var tags = await rig.Backing.TagsAfterAsync(null, 10, default);
        Assert.Equal("v1", Assert.Single(Assert.IsType<Result<Page<TagName>>.Found>(tags).Value.Items).Value);
        var listed = await rig.Backing.ReferrersAsync(Rig.D(image.Digest), default);
        Assert.Equal(signature, Assert.Single(Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(listed).Value).Digest.ToString());
    }
}
