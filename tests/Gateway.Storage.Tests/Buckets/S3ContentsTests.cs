using Gateway.Oci;
using Gateway.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Content in Ceph, with parts of the least length that S3 allows.</summary>
public sealed class CephContentsTests(S3Servers servers) : S3ContentsSuite
{
    private protected override Task<S3Server?> ServerAsync() => servers.CephAsync();
}

/// <summary>Content in moto.</summary>
public sealed class MotoContentsTests(S3Servers servers) : S3ContentsSuite
{
    private protected override Task<S3Server?> ServerAsync() => servers.MotoAsync();
}

/// <summary>Content in a server of the rig.</summary>
public abstract class S3ContentsSuite : ContentStoreSuite
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-s3-keys-");
    private S3Bucket? _bucket;
    private VolumeRig? _rig;

    private protected abstract Task<S3Server?> ServerAsync();

    private protected override bool IsCheckedBefore => false;

    private protected override IContentStore Other => _rig!.Volume.Content.Of(Lifetime.Staged);

    private protected override async ValueTask<IContentStore> OpenStoreAsync()
    {
        if (_rig is not null)
        {
            await _rig.RestartAsync();
            return _rig.Volume.Content.Of(Lifetime.Pushed);
        }
        var server = await ServerAsync();
        Assert.SkipWhen(server is null, "GATEWAY_RIG names no folder with this S3 server");
        _bucket = S3Bucket.Open(server!.OptionsFor(await server.NewBucketAsync(), _folder), TimeProvider.System, NullLogger.Instance);
        _rig = await VolumeRig.OpenAsync(
            openPushed: copies => new BucketContents(_bucket, "gw/", copies, TimeProvider.System, _bucket.MinPart));
        return _rig.Volume.Content.Of(Lifetime.Pushed);
    }

    private protected override async ValueTask OverwriteAsync(Digest digest, byte[] bytes) => await _bucket!.PutAsync(
        ((BucketContents)_rig!.Volume.Content.Of(Lifetime.Pushed)).Data(digest), bytes, PutCondition.None, default);

    [Fact]
    public async Task Blob_of_several_parts_is_joined_by_the_store_and_read_back()
    {
        var bytes = new byte[17 << 20];
        new Random(1).NextBytes(bytes);
        var digest = await VolumeRig.PushBlobAsync(_rig!.Volume.Pushed(VolumeRig.Name), bytes);
        Assert.Equal(new(bytes.Length, IsDamaged: false), await Store.ExamineAsync(digest, default));
        Assert.Empty(await _bucket!.KeysAsync("gw/gateway/uploads/"));
    }

    public override async ValueTask DisposeAsync()
    {
        if (_rig is not null) await _rig.DisposeAsync();
        _bucket?.Dispose();
        _folder.Delete(recursive: true);
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
