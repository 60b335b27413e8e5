using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class PushedContentFilesTests : ContentFilesTests
{
    private protected override Lifetime Lifetime => Lifetime.Pushed;
}

public sealed class StagedContentFilesTests : ContentFilesTests
{
    private protected override Lifetime Lifetime => Lifetime.Staged;
}

/// <summary>Content on the local disk; the other store is the pushed or staged root of the same volume.</summary>
public abstract class ContentFilesTests : ContentStoreSuite
{
    private VolumeRig? _rig;

    private protected abstract Lifetime Lifetime { get; }

    private protected override bool IsCheckedBefore => true;

    private protected override IContentStore Other =>
        _rig!.Volume.Content.Of(Lifetime == Lifetime.Pushed ? Lifetime.Staged : Lifetime.Pushed);

    private protected override async ValueTask<IContentStore> OpenStoreAsync()
    {
        if (_rig is null) _rig = await VolumeRig.OpenAsync();
        else await _rig.RestartAsync();
        return _rig.Volume.Content.Of(Lifetime);
    }

    private protected override ValueTask OverwriteAsync(Digest digest, byte[] bytes)
    {
        var root = Lifetime == Lifetime.Pushed ? _rig!.Volume.Roots.Pushed : _rig!.Volume.Roots.Staged;
        Directory.CreateDirectory(Path.GetDirectoryName(root.Data(digest))!);
        File.WriteAllBytes(root.Data(digest), bytes);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Bytes_after_the_length_of_an_upload_do_not_belong_to_it()
    {
        await using (var upload = await Store.CreateUploadAsync("u1", Note, default))
        {
            await upload.AppendAsync(Bytes.AsMemory(0, 4000), default);
            await upload.AppendAsync("wrong"u8.ToArray(), default);
        }
        await using (var upload = await Store.OpenUploadAsync("u1", 4000, default))
        {
            await upload!.AppendAsync(Bytes.AsMemory(4000), default);
            await upload.FlushAsync();
        }
        await Store.CommitUploadAsync("u1", Content, default);
        Assert.Equal(Bytes, await Store.ReadAsync(Content, Bytes.Length, default));
    }

    public override async ValueTask DisposeAsync()
    {
        await _rig!.DisposeAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Content in a bucket; the other store is the staged root of the same volume.</summary>
public sealed class BucketContentsTests : ContentStoreSuite
{
    private readonly MemoryBucket _bucket = new();
    private VolumeRig? _rig;

    private protected override bool IsCheckedBefore => false;

    private protected override IContentStore Other => _rig!.Volume.Content.Of(Lifetime.Staged);

    private protected override async ValueTask<IContentStore> OpenStoreAsync()
    {
        if (_rig is null) _rig = await VolumeRig.OpenAsync(openPushed: Open);
        else await _rig.RestartAsync();
        return _rig.Volume.Content.Of(Lifetime.Pushed);
    }

    // Parts that are shorter than the content, so that it is written by several.
    private BucketContents Open(LocalCopies copies) => new(_bucket, "gw/", copies, TimeProvider.System, partBytes: 4096);

    private protected override async ValueTask OverwriteAsync(Digest digest, byte[] bytes) => await _bucket.PutAsync(
        ((BucketContents)_rig!.Volume.Content.Of(Lifetime.Pushed)).Data(digest), bytes, PutCondition.None, default);

    public override async ValueTask DisposeAsync()
    {
        await _rig!.DisposeAsync();
        Assert.Equal(0, _bucket.OpenUploads);
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Content on the local disk that is borrowed from a bucket, and the other way.</summary>
public sealed class BorrowedObjectsTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Content_is_copied_between_the_disk_and_a_bucket(bool toDisk)
    {
        await using var rig = await VolumeRig.OpenAsync(
            openPushed: copies => new BucketContents(new MemoryBucket(), "", copies, TimeProvider.System, partBytes: 64 * 1024));
        var bytes = new byte[300_000];
        Random.Shared.NextBytes(bytes);
        var (disk, objects) = (rig.Volume.Content.Of(Lifetime.Staged), rig.Volume.Content.Of(Lifetime.Pushed));
        var (to, from) = toDisk ? (disk, objects) : (objects, disk);
        await from.PutAsync(Digest.Of(bytes), bytes, Put.Durable, default);
        await to.BorrowAsync(Digest.Of(bytes), bytes.Length, from, default);
        await from.RemoveAsync(Digest.Of(bytes), evenIfRead: true, default);
        Assert.Equal(bytes, await to.ReadAsync(Digest.Of(bytes), bytes.Length, default));
        Assert.Equal(new(bytes.Length, IsDamaged: false), await to.ExamineAsync(Digest.Of(bytes), default));
    }
}
