using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The indexes that name a manifest, in bounded memory that is freed again.</summary>
public sealed class IndexParentsTests : IAsyncLifetime
{
    private VolumeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private StoredRepository Cached => _rig.Volume.Cached("docker.io", VolumeRig.Name);

    private async Task<(Digest Index, Descriptor[] Children)> StoreAsync(int number, int children)
    {
        Descriptor[] made = [.. Enumerable.Range(0, children).Select(i =>
            new Descriptor(MediaTypes.OciManifest, Digest.Of(Encoding.ASCII.GetBytes($"invented {number} {i}")), 1))];
        var bytes = VolumeRig.Index(made);
        await Cached.CommitAsync(new([new Operation.StoreManifest(Digest.Of(bytes), bytes)]), default);
        return (Digest.Of(bytes), made);
    }

    [Fact]
    public async Task Invented_children_use_no_memory_after_their_index_is_removed()
    {
        var child = Digest.Of("unlisted"u8);
        Assert.Empty(await Cached.IndexesOfAsync(child));
        var stored = new List<Digest>();
        for (var i = 0; i < 5; i++) stored.Add((await StoreAsync(i, 100)).Index);
        Assert.Equal(500, Cached.State.Parents.Noted);

        foreach (var index in stored) await Cached.CommitAsync(new([new Operation.RemoveManifest(index)]), default);

        Assert.Equal(0, Cached.State.Parents.Noted);
    }

    [Theory]
    [InlineData(IndexParents.MaxNoted)]
    [InlineData(0)]
    public async Task Indexes_are_found_with_and_without_room_to_store_their_children(int max)
    {
        var (first, children) = await StoreAsync(1, 3);
        var parents = new IndexParents(max);
        Assert.Equal([first], await parents.OfAsync(Cached, children[1].Digest));
        var (second, others) = await StoreAsync(2, 3);
        parents.Note(second, Cached.ReadManifest(second)!.Manifest);
        Assert.Equal([second], await parents.OfAsync(Cached, others[0].Digest));
        Assert.Equal([first], await parents.OfAsync(Cached, children[0].Digest));
        Assert.Empty(await parents.OfAsync(Cached, Digest.Of("another"u8)));
        Assert.Equal(max == 0 ? 0 : 6, parents.Noted);
        parents.Forget(first);
        Assert.Empty(await parents.OfAsync(Cached, children[0].Digest));
        parents.Forget(second);
    }
}
