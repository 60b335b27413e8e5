using Gateway.Oci;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>Pulls on a full volume: content passes through, verified and not stored.</summary>
public sealed class RoomTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(6 << 20, seed: 21);

    [Fact]
    public async Task Full_volume_passes_a_blob_through_without_storing_it()
    {
        await using var rig = await FullAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
        await rig.SettleAsync();
        Assert.False(rig.IsStored(digest));
        Assert.Empty(rig.Parts);
    }

    [Fact]
    public async Task Full_volume_resumes_an_interrupted_download()
    {
        await using var rig = await FullAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Cut(after: 2_000_000).Once();
        Assert.Equal(Layer, await Rig.ReadAsync(rig.Backing, digest));
    }

    [Fact]
    public async Task Full_volume_holds_the_last_byte_until_verification()
    {
        await using var rig = await FullAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        rig.Hub.When(r => r.IsGet && r.IsBlob(digest)).Flip(at: 1_000_000);
        await using var content = await Rig.OpenAsync(rig.Backing, digest);
        var body = new Body();
        await Assert.ThrowsAnyAsync<IOException>(async () => await content.CopyToAsync(body, 0, null, default));
        Assert.Equal(Layer.Length - 1, body.Length);
        Assert.True(rig.Fetches.Resources.IsSuspect(Rig.D(digest)));
    }

    [Fact]
    public async Task Full_volume_verifies_a_small_blob_before_its_first_byte()
    {
        await using var rig = await FullAsync();
        var small = ScriptedUpstream.Bytes(50_000, seed: 22);
        var digest = rig.Hub.AddBlob(Rig.Name, small);
        await using var content = await Rig.OpenAsync(rig.Backing, digest);
        Assert.True(content.IsVerified);
        Assert.Equal(small, await Rig.ReadAsync(content));
    }

    [Fact]
    public async Task Full_volume_passes_a_range_through()
    {
        await using var rig = await FullAsync();
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        await using var content = await Rig.OpenAsync(rig.Backing, digest, new(BlobUseKind.Range, 3_000_000, 3_999_999));
        Assert.False(content.IsVerified);
        Assert.Equal(Layer[3_000_000..4_000_000], await Rig.ReadAsync(content, 3_000_000, 1_000_000));
    }

    [Fact]
    public async Task Full_volume_with_verify_first_is_unavailable()
    {
        await using var rig = await FullAsync(verifyFirst: true);
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        Assert.IsType<Result<IContent>.Unavailable>(await rig.Backing.OpenBlobAsync(Rig.D(digest), BlobUse.Whole, default));
    }

    [Fact]
    public async Task Volume_that_fills_during_a_fetch_fails_no_reader()
    {
        await using var small = SmallVolume.TryMount(96);
        Assert.SkipUnless(small is not null, "A small tmpfs could not be mounted: run the tests as root.");
        await using var rig = await Rig.StartAsync(folder: Path.Combine(small.Path, "volume"));
        var digest = rig.Hub.AddBlob(Rig.Name, Layer);
        // Without a length no room can be reserved, so the disk becomes full during the fetch.
        rig.Hub.When(r => r.IsBlob(digest)).Chunked();
        await rig.LinkAsync(digest, -1);
        small.FillUpTo(2 << 20);
        var bodies = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => Rig.ReadAsync(rig.Backing, digest))));
        Assert.All(bodies, body => Assert.True(body.AsSpan().SequenceEqual(Layer)));
        await rig.SettleAsync();
        Assert.False(rig.IsStored(digest));
        Assert.Empty(rig.Parts);
    }

    private static async Task<Rig> FullAsync(bool verifyFirst = false)
    {
        var rig = await Rig.StartAsync(o => o with { VerifyFirst = verifyFirst });
        rig.Volume.Health.KeepFree = long.MaxValue / 2;
        return rig;
    }
}
