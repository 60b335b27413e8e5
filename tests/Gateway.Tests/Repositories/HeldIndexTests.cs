using Gateway.Oci;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Held indexes, and the images below them.</summary>
public sealed class HeldIndexTests : HoldCases
{
    [Fact]
    public async Task Signed_index_admits_its_images_and_their_blobs()
    {
        var (child, _) = await _rig.PushAsync(null, "one");
        var stored = _rig.Volume.Pushed(_rig.Repository.Name);
        var size = stored.ReadManifest(child)!.Bytes.Length;
        var index = GateRig.Index(new Descriptor(MediaTypes.OciManifest, child, size));
        Assert.Equal(TagStanding.Pending, Ok(await HoldRig.PutAsync(_rig.Repository, "v1", index, MediaTypes.OciIndex)).Standing);
        Assert.Equal("Hidden", await PullerSees(child.ToString()));
        Assert.Equal(["v1"], Ok(await _rig.SignAsync(Digest.Of(index))).Value.Promoted.Select(t => t.Value));
        Assert.Equal((Digest.Of(index).ToString(), child.ToString()), (await PullerSees("v1"), await PullerSees(child.ToString())));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(Digest.Of(index)), default));
        Assert.Equal("Hidden", await PullerSees(child.ToString()));
    }

    [Fact]
    public async Task Signing_the_last_image_of_a_held_index_releases_the_index()
    {
        var (one, _) = await _rig.PushAsync(null, "one");
        var (two, _) = await _rig.PushAsync(null, "two");
        var stored = _rig.Volume.Pushed(_rig.Repository.Name);
        Descriptor Of(Digest digest) => new(MediaTypes.OciManifest, digest, stored.ReadManifest(digest)!.Bytes.Length);
        var index = GateRig.Index(Of(one), Of(two));
        Ok(await HoldRig.PutAsync(_rig.Repository, "v1", index, MediaTypes.OciIndex));
        Assert.Empty(Ok(await _rig.SignAsync(one)).Value.Promoted);
        Assert.Equal(["v1"], Ok(await _rig.SignAsync(two)).Value.Promoted.Select(t => t.Value));
        Assert.Equal(Digest.Of(index).ToString(), await PullerSees("v1"));
    }
}
