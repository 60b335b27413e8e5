using System.Text;
using Gateway.Oci;
using Gateway.Policy;
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

    /// <remarks>Each look reads a folder, in every evaluation of the image.</remarks>
    [Fact]
    public async Task Flood_of_indexes_above_an_image_costs_a_bounded_number_of_looks_at_evidence()
    {
        var (child, _) = await _rig.PushAsync(null, "one");
        var name = _rig.Repository.Name;
        var flooded = new Flooded(_rig.Volume.Pushed(name), 100_000);

        Assert.IsType<Answer<StoredManifest>.Hidden>(
            await _rig.Over(name.Value, flooded).GetManifestAsync(HoldRig.Puller, new(child), default));

        Assert.InRange(flooded.Looks, EvidenceBudget.MaxManifests, 100 * EvidenceBudget.MaxManifests);
    }

    [Fact]
    public async Task Looking_at_the_evidence_of_indexes_ends_when_as_many_have_some_as_are_read_or_when_it_is_canceled()
    {
        var (child, _) = await _rig.PushAsync(null, "one");
        var name = _rig.Repository.Name;
        using var canceled = new CancellationTokenSource();
        var counted = new Flooded(_rig.Volume.Pushed(name), 1000) { HasCounted = true };
        var slow = new Flooded(_rig.Volume.Pushed(name), 1000) { OnLook = canceled.Cancel };
        ValueTask<Arrival> AskAsync(Flooded backing, CancellationToken cancellationToken) =>
            new Evaluations(new(_rig.Policy), new(_rig.Volume.DecisionRing), _rig.Clock).Of(name, backing)
                .OfArrivalAsync(_rig.Volume.Pushed(name).ReadManifest(child)!, Stage.Push, [], cancellationToken);

        await AskAsync(counted, default);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await AskAsync(slow, canceled.Token));

        Assert.Equal((EvidenceBudget.MaxManifests, 1), (counted.Looks, slow.Looks));
    }

    /// <summary>Has many indexes above each image, which are not stored.</summary>
    private sealed class Flooded(IBacking inner, int count) : DelegatingBacking(inner)
    {
        private int _looks;

        public int Looks => _looks;

        public bool HasCounted { get; init; }

        public Action OnLook { get; init; } = static () => { };

        public override ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child) =>
            new([.. Enumerable.Range(0, count).Select(static i => Digest.Of(BitConverter.GetBytes(i)))]);

        public override ValueTask<bool> HasCountedEvidenceAsync(Digest subject)
        {
            Interlocked.Increment(ref _looks);
            OnLook();
            return new(HasCounted);
        }
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
