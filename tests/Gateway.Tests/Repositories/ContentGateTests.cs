using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Evaluation of a push by its bytes, through the gate and real storage.</summary>
public sealed class ContentGateTests : IAsyncLifetime
{
    private const string Gzip = "application/vnd.oci.image.layer.v1.tar+gzip";

    private GateRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GateRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private Repository At(RequireOptions require, RuleMode mode = RuleMode.Enforce) => _rig.Repository(
        "team/app", new() { Default = Outcome.Allow, Rules = [new() { Id = "content", Require = require, Mode = mode }] });

    private static RequireOptions Truthful { get; } = new() { TruthfulMedia = [.. Enum.GetValues<MediaClaim>()] };

    private static RequireOptions Checked { get; } = new() { LayerDigestCheck = true };

    private static byte[] Tar(string text)
    {
        using var tar = new MemoryStream();
        using (var writer = new TarWriter(tar))
            writer.WriteEntry(
                new PaxTarEntry(TarEntryType.RegularFile, "file") { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
        return tar.ToArray();
    }

    private static byte[] Packed(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(bytes);
        return packed.ToArray();
    }

    private static async Task<Descriptor> BlobAsync(Repository repository, byte[] bytes, string type)
    {
        var opened = (Answer<Upload>.Found)await repository.OpenUploadAsync(GateRig.Pusher, DigestAlgorithm.Sha256, default);
        await using var upload = opened.Value;
        await upload.AppendAsync(new MemoryStream(bytes), default);
        _ = (Answer<Digest>.Found)await repository.CompleteUploadAsync(GateRig.Pusher, upload, Digest.Of(bytes), default);
        return new(type, Digest.Of(bytes), bytes.Length);
    }

    private static string ConfigOf(params byte[][] layers) =>
        $$$"""{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[{{{string.Join(',', layers.Select(l => $"\"{Digest.Of(l)}\""))}}}]}}""";

    private static async Task<Answer<PushedManifest>> PushAsync(Repository to, string config, byte[] layer, string type = Gzip)
    {
        var manifest = GateRig.Manifest(
            await BlobAsync(to, Encoding.UTF8.GetBytes(config), MediaTypes.OciConfig), await BlobAsync(to, layer, type));
        return await GateRig.PutAsync(to, "v1", manifest, caller: GateRig.Pusher);
    }

    private static string[] Codes(Answer<PushedManifest> answer) => answer switch
    {
        Answer<PushedManifest>.Refused refused => [.. refused.Decision.Verdict.Reasons.Select(r => r.Code)],
        Answer<PushedManifest>.Found => [],
        _ => throw new InvalidOperationException($"{answer}"),
    };

    public static TheoryData<string, byte[], string, string[]> Layers => new()
    {
        { "a layer", Packed(Tar("text")), Gzip, [] },
        { "a layer that is not packed", Tar("text"), "application/vnd.oci.image.layer.v1.tar", [] },
        { "a program", [0x7F, .. "ELF"u8, .. new byte[2000]], Gzip, [ReasonCodes.MediaUntruthful] },
        { "a page", "<html><script>"u8.ToArray(), Gzip, [ReasonCodes.MediaUntruthful] },
        { "a program in gzip", Packed([0x7F, .. "ELF"u8, .. new byte[2000]]), Gzip, [ReasonCodes.MediaUntruthful] },
        {
            "gzip that is said to be zstd", Packed(Tar("text")), "application/vnd.oci.image.layer.v1.tar+zstd",
            [ReasonCodes.MediaUntruthful]
        },
        { "a second archive", [.. Packed(Tar("text")), .. Packed(Tar("more"))], Gzip, [ReasonCodes.MediaUntruthful] },
        { "an encrypted layer", Packed(Tar("text")), Gzip + "+encrypted", [ReasonCodes.MediaOpaque] },
    };

    [Theory]
    [MemberData(nameof(Layers))]
    public async Task Push_is_evaluated_by_its_bytes(string what, byte[] layer, string type, string[] expected)
    {
        var repository = At(Truthful);
        var answer = await PushAsync(repository, "{}", layer, type);
        Assert.True(expected.SequenceEqual(Codes(answer)), $"{what}: {string.Join(' ', Codes(answer))}");
        Assert.Equal(
            expected.Length == 0,
            await repository.GetManifestAsync(GateRig.Puller, new(TagName.Parse("v1")), default) is Answer<StoredManifest>.Found);
    }

    [Fact]
    public async Task Config_that_is_not_json_is_reported() =>
        Assert.Equal([ReasonCodes.MediaUntruthful], Codes(await PushAsync(At(Truthful), "no JSON", Packed(Tar("text")))));

    [Fact]
    public async Task Rule_that_warns_accepts_the_push_and_reports_the_actual_type()
    {
        var answer = await PushAsync(At(Truthful, RuleMode.Warn), "{}", "<html>"u8.ToArray());
        var found = Assert.IsType<Answer<PushedManifest>.Found>(answer);
        Assert.Contains("is not gzip but something else", found.Warning!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Layers_that_differ_from_the_config_are_refused()
    {
        var layer = Tar("text");
        Assert.Empty(Codes(await PushAsync(At(Checked), ConfigOf(layer), Packed(layer))));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(await PushAsync(At(Checked), ConfigOf(Tar("other")), Packed(layer))));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(await PushAsync(At(Checked), ConfigOf(Packed(layer)), Packed(layer))));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(await PushAsync(At(Checked), ConfigOf(layer, layer), Packed(layer))));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(await PushAsync(At(Checked), ConfigOf(layer), Packed(layer)[..^5])));
    }

    [Theory]
    [InlineData("application/x.unknown")]
    [InlineData("text/spdx")]
    [InlineData("application/vnd.dev.cosign.simplesigning.v1+json")]
    public async Task Layers_of_any_type_are_compared(string type)
    {
        var layer = Tar("text");
        Assert.Empty(Codes(await PushAsync(At(Checked), ConfigOf(layer), Packed(layer), type)));
        Assert.Equal([ReasonCodes.LayerDigest], Codes(await PushAsync(At(Checked), ConfigOf(Tar("other")), Packed(layer), type)));
    }

    [Fact]
    public async Task Layer_that_the_config_names_with_another_algorithm_is_refused()
    {
        var layer = Tar("text");
        var config = ConfigOf(layer).Replace(
            Digest.Of(layer).ToString(), Digest.Of("other"u8, DigestAlgorithm.Sha512).ToString(), StringComparison.Ordinal);
        Assert.Equal([ReasonCodes.LayerDigest], Codes(await PushAsync(At(Checked), config, Packed(layer))));
    }

    [Fact]
    public async Task Config_that_parsers_read_differently_names_no_layers()
    {
        var (layer, other) = (Tar("text"), Tar("other"));
        var config = ConfigOf(layer).TrimEnd('}') + $$$"""},"Rootfs":{"type":"layers","diff_ids":["{{{Digest.Of(other)}}}"]}}""";
        Assert.Equal([ReasonCodes.LayerDigest], Codes(await PushAsync(At(Checked), config, Packed(layer))));
    }

    [Fact]
    public async Task Content_stored_before_the_rule_is_evaluated_by_it_on_pull()
    {
        Assert.Empty(Codes(await PushAsync(_rig.Repository("team/app"), "{}", "<html>"u8.ToArray())));
        Assert.IsType<Answer<StoredManifest>.Hidden>(
            await At(Truthful).GetManifestAsync(GateRig.Puller, new(TagName.Parse("v1")), default));
        Assert.IsType<Answer<StoredManifest>.Found>(
            await At(Truthful, RuleMode.Warn).GetManifestAsync(GateRig.Puller, new(TagName.Parse("v1")), default));
    }

    [Fact]
    public async Task Index_with_a_wrong_media_type_for_a_manifest_is_refused()
    {
        var repository = _rig.Repository("team/app");
        var image = await GateRig.PushAsync(repository, "v1");
        var size = ((Answer<StoredManifest>.Found)await repository.GetManifestAsync(GateRig.Puller, new(image), default))
            .Value.Bytes.Length;
        foreach (var type in new[] { "application/vnd.example.file", MediaTypes.OciIndex, MediaTypes.DockerManifest, MediaTypes.OciConfig })
        {
            var index = GateRig.Index(new Descriptor(type, image, size));
            var answer = Assert.IsType<Answer<PushedManifest>.Invalid>(await GateRig.PutAsync(repository, "i", index, MediaTypes.OciIndex));
            Assert.Equal("MEDIA_MISMATCH", answer.Detail);
        }
    }
}
