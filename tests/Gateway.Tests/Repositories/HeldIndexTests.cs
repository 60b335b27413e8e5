using System.Text;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Held indexes, and the images below them.</summary>
public sealed class HeldIndexTests : HoldCases
{
    /// <remarks>An image of a signed index has no signature of its own, and anyone who may push can push more indexes above it.</remarks>
    [Fact]
    public async Task Flood_of_indexes_above_an_image_does_not_hide_the_signed_one()
    {
        var (child, _) = await _rig.PushAsync(null, "one");
        var name = _rig.Repository.Name;
        var size = _rig.Volume.Pushed(name).ReadManifest(child)!.Bytes.Length;
        var index = GateRig.Index(new Descriptor(MediaTypes.OciManifest, child, size));
        Ok(await HoldRig.PutAsync(_rig.Repository, "v1", index, MediaTypes.OciIndex));
        Assert.Equal(["v1"], Ok(await _rig.SignAsync(Digest.Of(index))).Value.Promoted.Select(t => t.Value));
        for (var i = 0; i < EvidenceBudget.MaxManifests; i++)
        {
            var junk = Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetString(index)[..^1]},\"annotations\":{{\"n\":\"{i}\"}}}}");
            Ok(await HoldRig.PutAsync(_rig.Repository, Digest.Of(junk).ToString(), junk, MediaTypes.OciIndex));
        }

        await _rig.RestartAsync(kill: true);
        _rig.Reload(_rig.Policy! with { Quarantine = new() { MaxPendingPerRepo = 5 } });
        var repository = _rig.Over(name.Value, new NamesLast(_rig.Volume.Pushed(name), Digest.Of(index)));

        Assert.IsType<Answer<StoredManifest>.Found>(await repository.GetManifestAsync(HoldRig.Puller, new(child), default));
    }

    /// <summary>Names one of the indexes of a manifest after all others: they have no order.</summary>
    private sealed class NamesLast(IBacking inner, Digest last) : DelegatingBacking(inner)
    {
        public override async ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child) =>
            [.. (await base.IndexesOfAsync(child)).OrderBy(index => index == last)];
    }

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
