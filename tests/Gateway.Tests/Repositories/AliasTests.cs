using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>The same bytes under their sha256 and their sha512 digest: one manifest, with one verdict.</summary>
public sealed class AliasTests : IAsyncLifetime
{
    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    /// <summary>Pushes an image under both digests, and a tag under the sha512 one where one is named.</summary>
    private async Task<(Digest Sha256, Digest Sha512)> PushAsync(string text, string? tag = null)
    {
        var (digest, _) = await _rig.PushAsync(null, text);
        var pushed = await _rig.GetAsync(HoldRig.Pusher, digest.ToString());
        var bytes = Assert.IsType<Answer<Gateway.Storage.StoredManifest>.Found>(pushed).Value.Bytes;
        var other = Digest.Of(bytes.Span, DigestAlgorithm.Sha512);
        TagName[] tags = tag is null ? [] : [TagName.Parse(tag)];
        Assert.IsType<Answer<PushedManifest>.Found>(await _rig.Repository.PutManifestAsync(
            HoldRig.Pusher, new(new(other), [.. tags], MediaTypes.OciManifest, bytes), default));
        return (digest, other);
    }

    [Fact]
    public async Task Bytes_that_are_admitted_by_one_name_are_admitted_by_the_other()
    {
        var (sha256, sha512) = await PushAsync("one");
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
        await _rig.SignAsync(sha256);
        Assert.Equal(sha256.ToString(), await _rig.SeenAsync(HoldRig.Puller, sha256.ToString()));
        Assert.Equal(sha512.ToString(), await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
    }

    [Fact]
    public async Task Bytes_that_are_refused_by_one_name_are_refused_by_the_other()
    {
        var (sha256, sha512) = await PushAsync("one");
        await _rig.SignAsync(sha256);
        Assert.Equal(sha512.ToString(), await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
        _rig.Reload(_rig.Policy! with { Trust = _rig.Trust(revokedAt: DateTimeOffset.UnixEpoch) });
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, sha256.ToString()));
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Pusher, HoldRig.LayerOf("one")));
        Assert.False(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
    }

    [Fact]
    public async Task A_tag_that_waits_by_one_name_is_published_by_a_signature_of_the_other()
    {
        var (sha256, sha512) = await PushAsync("one", "v1");
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, "v1"));
        var signed = Assert.IsType<Answer<PushedManifest>.Found>(await _rig.SignAsync(sha256));
        Assert.Equal([TagName.Parse("v1")], signed.Value.Promoted);
        Assert.Equal(sha512.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task A_verdict_that_rests_on_the_other_names_signature_does_not_outlive_it()
    {
        var (sha256, sha512) = await PushAsync("one");
        await _rig.SignAsync(sha256);
        Assert.Equal(sha512.ToString(), await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
        var signature = await _rig.SeenAsync(HoldRig.Pusher, $"sha256-{sha256.Hex}.sig");
        foreach (var gone in new[] { sha256, Digest.Parse(signature) })
            Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(gone), default));
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
    }

    [Fact]
    public async Task A_promotion_by_the_other_name_takes_the_signature_along()
    {
        var stage = _rig.Repository;
        var (sha256, sha512) = await PushAsync("one");
        await _rig.SignAsync(sha256);
        var prod = _rig.At("prod/other");
        Assert.IsType<Answer<PushedManifest>.Found>(await prod.PromoteAsync(
            HoldRig.Pusher, stage, HoldRig.Pusher, new(sha512), TagName.Parse("v1"), default));
        var pulled = await prod.GetManifestAsync(HoldRig.Puller, new(TagName.Parse("v1")), default);
        Assert.Equal(sha512, Assert.IsType<Answer<Gateway.Storage.StoredManifest>.Found>(pulled).Value.Digest);
    }
}
