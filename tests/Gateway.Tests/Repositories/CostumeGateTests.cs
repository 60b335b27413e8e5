using System.IO.Compression;
using System.Text;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Images with media types of evidence, and evidence under tags that are not its own, at the gate over real storage.</summary>
public sealed class CostumeGateTests : IAsyncLifetime
{
    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private static string? CodeOf(Answer<PushedManifest> answer) => answer switch
    {
        Answer<PushedManifest>.Refused refused => refused.Decision.Verdict.Reasons[0].Code,
        Answer<PushedManifest>.Found => null,
        _ => throw new InvalidOperationException($"{answer}"),
    };

    private void Reload(string tags, TagMutability mutability) => _rig.Reload(_rig.Signed(OnMissing.Quarantine) with
    {
        Rules =
        [
            HoldRig.Rule(OnMissing.Quarantine),
            new RuleOptions
            {
                Id = "stays", IncludeTags = [tags], Kinds = [ManifestKind.Image], Require = new() { TagMutability = mutability },
            },
        ],
    });

    // An image whose one layer, an archive in gzip, has the media type of an SBOM.
    private async Task<(Digest Digest, Answer<PushedManifest> Answer)> PushCostumeAsync(string? tag, string label = "text/spdx")
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(new byte[1024]);
        var to = _rig.Repository;
        var opened = (Answer<Gateway.Storage.Upload>.Found)await to.OpenUploadAsync(HoldRig.Pusher, DigestAlgorithm.Sha256, default);
        await using var upload = opened.Value;
        await upload.AppendAsync(new MemoryStream(packed.ToArray()), default);
        var (layer, size) = (Digest.Of(packed.ToArray()), packed.ToArray().Length);
        _ = (Answer<Digest>.Found)await to.CompleteUploadAsync(HoldRig.Pusher, upload, layer, default);
        var config = await GateRig.PushBlobAsync(to, "{}", caller: HoldRig.Pusher);
        var bytes = GateRig.Manifest(config, new(label, layer, size), new(MediaTypes.OciManifest, Digest.Of("subject"u8), 1));
        return (Digest.Of(bytes), await HoldRig.PutAsync(to, tag ?? Digest.Of(bytes).ToString(), bytes));
    }

    [Theory]
    [InlineData("text/spdx")]
    [InlineData(EvidenceTypes.SimpleSigning)]
    [InlineData(EvidenceTypes.InToto)]
    [InlineData(EvidenceTypes.Cose)]
    public async Task Image_with_media_types_of_evidence_is_held_like_any_image(string label)
    {
        var (digest, answer) = await PushCostumeAsync("v2", label);
        Assert.Equal(TagStanding.Pending, Assert.IsType<Answer<PushedManifest>.Found>(answer).Standing);
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, digest.ToString()));
        Assert.NotEqual(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v2"));
        Assert.Equal(ReasonCodes.TagReserved, CodeOf((await PushCostumeAsync($"sha256-{new string('0', 64)}.sig", label)).Answer));
        Assert.IsType<Answer<PushedManifest>.Found>(await _rig.SignAsync(digest));
        Assert.Equal(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v2"));
    }

    [Fact]
    public async Task Image_with_media_types_of_evidence_does_not_move_an_immutable_tag()
    {
        Reload("v*", TagMutability.Immutable);
        var (first, _) = await _rig.PushAsync("v1", "one");
        await _rig.SignAsync(first);
        Assert.Equal(ReasonCodes.TagImmutable, CodeOf((await PushCostumeAsync("v1")).Answer));
        Assert.Equal(first.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task Signature_does_not_move_an_immutable_tag_or_erase_its_version()
    {
        Reload("v*", TagMutability.Immutable);
        var (first, _) = await _rig.PushAsync("v1", "one");
        await _rig.SignAsync(first);
        var (signature, _) = await HoldRig.SignatureAsync(first, _rig.Key, null, _rig.Repository);
        Assert.Equal(ReasonCodes.TagImmutable, CodeOf(await HoldRig.PutAsync(_rig.Repository, "v1", signature)));
        Assert.Equal(first.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));

        Reload("latest", TagMutability.MonotonicSemver);
        await PushVersionAsync("2.0.0");
        Assert.Equal(ReasonCodes.TagVersionLower, CodeOf(await HoldRig.PutAsync(_rig.Repository, "latest", signature)));
        Assert.Equal(ReasonCodes.TagVersionLower, CodeOf(await PushVersionAsync("1.0.0")));
        Assert.Null(CodeOf(await PushVersionAsync("2.0.1")));
    }

    private async Task<Answer<PushedManifest>> PushVersionAsync(string version)
    {
        var config = await GateRig.PushBlobAsync(_rig.Repository, "{}", caller: HoldRig.Pusher);
        var bytes = Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","annotations":{"org.opencontainers.image.version":"{{version}}"},
             "config":{"mediaType":"{{MediaTypes.OciConfig}}","digest":"{{config.Digest}}","size":{{config.Size}} },"layers":[]}
            """);
        await _rig.SignAsync(Digest.Of(bytes));
        return await HoldRig.PutAsync(_rig.Repository, "latest", bytes);
    }

    [Fact]
    public async Task Promotion_only_tag_refuses_a_signature_and_its_image_can_be_signed()
    {
        var (digest, _) = await _rig.PushAsync(null, "one");
        _rig.Reload(_rig.Signed(OnMissing.Quarantine) with
        {
            Rules = [HoldRig.Rule(OnMissing.Deny, Stage.Promote, Stage.Pull) with { Kinds = [ManifestKind.Image] }],
        });
        var (signature, _) = await HoldRig.SignatureAsync(digest, _rig.Key, null, _rig.Repository);
        Assert.Equal("TAG_PROTECTED", CodeOf(await HoldRig.PutAsync(_rig.Repository, "v1", signature)));
        Assert.Equal("TAG_PROTECTED", CodeOf((await PushCostumeAsync("v1")).Answer));
        Assert.Null(CodeOf(await _rig.SignAsync(digest)));
    }

    [Fact]
    public async Task Signature_under_the_bare_digest_tag_releases_nothing_and_an_image_may_use_its_own()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var bare = $"sha256-{digest.Hex}";
        var (signature, _) = await HoldRig.SignatureAsync(digest, _rig.Key, null, _rig.Repository);
        Assert.Equal(ReasonCodes.TagReserved, CodeOf(await HoldRig.PutAsync(_rig.Repository, bare, signature)));
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, digest.ToString()));

        // As `cosign copy` does: the image under its own digest, then its signature.
        Assert.Null(CodeOf((await _rig.PushAsync(bare, "one")).Answer));
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, bare));
        var signed = Assert.IsType<Answer<PushedManifest>.Found>(await _rig.SignAsync(digest));
        Assert.Equal([bare, "v1"], signed.Value.Promoted.Select(static tag => tag.Value).Order());
        Assert.Equal(ReasonCodes.TagReserved, CodeOf((await _rig.PushAsync(bare, "two")).Answer));
    }
}
