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
        var root = Lifetime == Lifetime.Pushed ? _rig!.Volume.PushedRoot : _rig!.Volume.StagedRoot;
        Directory.CreateDirectory(Path.GetDirectoryName(root.Data(digest))!);
        File.WriteAllBytes(root.Data(digest), bytes);
        return ValueTask.CompletedTask;
    }

    public override async ValueTask DisposeAsync()
    {
        await _rig!.DisposeAsync();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Content in an object store; the other store is another prefix of the bucket.</summary>
public sealed class ObjectContentsTests : ContentStoreSuite
{
    private readonly MemoryBucket _bucket = new();
    private ObjectContents? _other;

    private protected override IContentStore Other => _other ??= new(_bucket, "other/");

    private protected override ValueTask<IContentStore> OpenStoreAsync() => new(new ObjectContents(_bucket));

    private protected override async ValueTask OverwriteAsync(Digest digest, byte[] bytes) =>
        await _bucket.PutAsync(new ObjectContents(_bucket).Data(digest), bytes, PutCondition.None, default);

    public override ValueTask DisposeAsync()
    {
        Assert.Equal(0, _bucket.OpenUploads);
        return base.DisposeAsync();
    }
}

/// <summary>Content on the local disk that is borrowed from an object store.</summary>
public sealed class BorrowedObjectsTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Content_is_copied_between_the_disk_and_an_object_store(bool toDisk)
    {
        await using var rig = await VolumeRig.OpenAsync();
        var bytes = new byte[300_000];
        Random.Shared.NextBytes(bytes);
        var (disk, objects) = (rig.Volume.Content.Of(Lifetime.Pushed), new ObjectContents(new MemoryBucket()));
        var (to, from) = toDisk ? (disk, (IContentStore)objects) : (objects, disk);
        await from.PutAsync(Digest.Of(bytes), bytes, Put.Durable, default);
        await to.BorrowAsync(Digest.Of(bytes), bytes.Length, from, default);
        await from.RemoveAsync(Digest.Of(bytes), evenIfRead: true, default);
        Assert.Equal(bytes, await to.ReadAsync(Digest.Of(bytes), bytes.Length, default));
        Assert.Equal(new(bytes.Length, IsDamaged: false), await to.ExamineAsync(Digest.Of(bytes), default));
    }
}
