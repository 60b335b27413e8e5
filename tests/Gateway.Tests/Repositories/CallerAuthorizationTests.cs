using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>A caller whose rights end between the last check and the commit: every kind of change is refused.</summary>
public sealed class CallerAuthorizationTests : IAsyncLifetime
{
    private static readonly Caller Gone = HoldRig.Pusher with { Authorization = new Ended() };

    private HoldRig _rig = null!;

    private sealed class Ended : IRequestAuthorization
    {
        public bool IsValid => false;

        public void Committed(long sequence) => Assert.Fail($"expected no change, got {sequence}");
    }

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Blob_is_not_stored_and_its_upload_session_stays_open()
    {
        var opened = (Answer<Upload>.Found)await _rig.Repository.OpenUploadAsync(HoldRig.Pusher, DigestAlgorithm.Sha256, default);
        await using var upload = opened.Value;
        await upload.AppendAsync(new MemoryStream("text"u8.ToArray()), default);
        var digest = Digest.Of("text"u8);

        Assert.IsType<Answer<Digest>.Superseded>(await _rig.Repository.CompleteUploadAsync(Gone, upload, digest, default));
        Assert.False(await _rig.SeesBlobAsync(HoldRig.Pusher, digest));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.CompleteUploadAsync(HoldRig.Pusher, upload, digest, default));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Pusher, digest));
    }

    [Theory]
    [InlineData("free/app", "Absent")]
    [InlineData("prod/app", "Absent")]
    public async Task Manifest_is_not_stored_whether_it_would_be_live_or_held(string name, string expected)
    {
        var repository = _rig.At(name);
        var config = await GateRig.PushBlobAsync(repository, "config", caller: HoldRig.Pusher);
        var answer = await GateRig.PutAsync(repository, "v1", GateRig.Manifest(config), caller: Gone);
        Assert.IsType<Answer<PushedManifest>.Superseded>(answer);
        var seen = await repository.GetManifestAsync(HoldRig.Pusher, new(TagName.Parse("v1")), default);
        Assert.Equal(expected, seen.GetType().Name.Split('`')[0]);
        Assert.Empty(_rig.Volume.Pushed(repository.Name).Manifests());
    }

    [Fact]
    public async Task Nothing_is_deleted_mounted_or_promoted()
    {
        var stage = _rig.At("free/app");
        var (digest, _) = await _rig.PushAsync("v1", "one", stage);
        var layer = HoldRig.LayerOf("one");
        var (tag, target) = (TagName.Parse("v1"), _rig.At("free/other"));

        Assert.False(await target.MountAsync(Gone, layer, stage, HoldRig.Pusher, default));
        Assert.IsType<Answer<PushedManifest>.Superseded>(
            await target.PromoteAsync(Gone, stage, HoldRig.Pusher, new(digest), tag, default));
        Assert.IsType<Answer<Digest>.Superseded>(await stage.DeleteManifestAsync(Gone, new(tag), default));
        Assert.IsType<Answer<Digest>.Superseded>(await stage.DeleteManifestAsync(Gone, new(digest), default));
        Assert.IsType<Answer<Digest>.Superseded>(await stage.DeleteBlobAsync(Gone, layer, default));
        Assert.IsType<Answer<StoredManifest>.Found>(await stage.GetManifestAsync(HoldRig.Puller, new(tag), default));
        Assert.Empty(_rig.Volume.Pushed(target.Name).Manifests());
        Assert.Empty(_rig.Volume.Pushed(target.Name).Blobs());
    }

    [Fact]
    public async Task Held_tag_is_not_released_by_a_request_of_an_earlier_configuration()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        _rig.Reload(null);
        var before = HoldRig.Puller with { Authorization = new Ended() };
        var asked = await _rig.Repository.GetManifestAsync(before, new(TagName.Parse("v1")), default);
        Assert.IsType<Answer<StoredManifest>.Unavailable>(asked);
        Assert.Equal(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }
}
