using System.Security.Cryptography;
using Gateway.Oci;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Storage;

public sealed class EvictionTests : IAsyncLifetime
{
    private const int Size = 100_000;

    private VolumeRig _rig = null!;

    private StoredRepository Cached => _rig.Volume.Cached("docker.io", VolumeRig.Name);

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    /// <summary>Fetches a blob that was last used so many minutes ago.</summary>
    private async Task<Digest> FetchAsync(int minutesAgo, byte[]? content = null)
    {
        var bytes = content ?? RandomNumberGenerator.GetBytes(Size);
        var digest = Digest.Of(bytes);
        await using (var part = _rig.Volume.Fetches.Open(digest, bytes.Length)!)
        {
            await part.WriteAsync(0, bytes, default);
            await part.PublishAsync(bytes.Length, default);
        }
        File.SetLastWriteTimeUtc(_rig.Volume.CachedRoot.Data(digest), DateTime.UtcNow.AddMinutes(-minutesAgo));
        await Cached.CommitAsync(new([new Operation.LinkBlob(digest, bytes.Length)]), default);
        return digest;
    }

    private async Task<bool> IsThereAsync(Digest digest) => await VolumeRig.ReadAsync(Cached, digest) != "absent";

    [Fact]
    public async Task What_was_used_longest_ago_goes_first_and_only_as_much_as_must()
    {
        var (old, recent) = (await FetchAsync(60), await FetchAsync(1));
        _rig.Volume.Eviction.MaxBytes = Size * 3 / 2;
        _rig.Volume.Eviction.MakeRoom();
        Assert.False(await IsThereAsync(old));
        Assert.True(await IsThereAsync(recent));
        Assert.Equal(Size, _rig.Volume.Eviction.Bytes);
    }

    [Fact]
    public async Task What_a_client_pushed_is_never_removed_and_does_not_count()
    {
        var bytes = RandomNumberGenerator.GetBytes(Size);
        var blob = await VolumeRig.PushBlobAsync(_rig.Volume.Kept(VolumeRig.Name), bytes);
        await FetchAsync(60, bytes);
        _rig.Volume.Eviction.MaxBytes = 0;
        _rig.Volume.Eviction.MakeRoom();
        Assert.Equal(0, _rig.Volume.Eviction.Bytes);
        Assert.True(await IsThereAsync(blob));
        Assert.NotEqual("absent", await VolumeRig.ReadAsync(_rig.Volume.Kept(VolumeRig.Name), blob));
    }

    [Fact]
    public async Task A_reader_of_evicted_content_keeps_it_to_the_end()
    {
        var digest = await FetchAsync(60);
        var found = Assert.IsType<Result<IContent>.Found>(await Cached.OpenBlobAsync(digest, BlobUse.Whole, default));
        _rig.Volume.Eviction.MaxBytes = 0;
        _rig.Volume.Eviction.MakeRoom();
        var writer = new MemoryBodyWriter();
        await found.Value.CopyToAsync(writer, 0, null, default);
        await found.Value.DisposeAsync();
        Assert.Equal(digest, Digest.Of(writer.ToArray()));
        Assert.False(await IsThereAsync(digest));
    }

    [Fact]
    public async Task A_link_outlives_the_bytes_that_were_evicted()
    {
        var digest = await FetchAsync(60);
        _rig.Volume.Eviction.MaxBytes = 0;
        _rig.Volume.Eviction.MakeRoom();
        Assert.Equal(Size, (await Cached.ReadLinkAsync(digest, LinkKind.Blob, default))?.Size);
    }

    [Fact]
    public async Task What_was_mounted_from_the_cache_outlives_the_cache()
    {
        var digest = await FetchAsync(60);
        var kept = _rig.Volume.Kept(VolumeRig.Name);
        await kept.CommitAsync(new([new Operation.LinkBlob(digest, Size)]), default);
        Directory.Delete(_rig.Volume.CachedRoot.Blobs, recursive: true);
        Assert.NotEqual("absent", await VolumeRig.ReadAsync(kept, digest));
        var gone = Digest.Of("evicted just now"u8);
        await Assert.ThrowsAsync<FileNotFoundException>(async () => await kept.CommitAsync(new([new Operation.LinkBlob(gone, 16)]), default));
        Assert.Null(await kept.ReadLinkAsync(gone, LinkKind.Blob, default));
    }

    [Fact]
    public void Below_the_room_to_keep_free_nothing_is_reserved()
    {
        _rig.Volume.Fetches.KeepFree = long.MaxValue;
        Assert.Null(_rig.Volume.Fetches.Open(Digest.Of("x"u8), 1));
        Assert.Empty(Directory.GetFiles(Path.Combine(_rig.Path, "gateway/fetches")));
    }
}
