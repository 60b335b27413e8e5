using System.Security.Cryptography;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Which blobs clients are sent to the bucket for.</summary>
public sealed class RedirectTests
{
    private static readonly byte[] Large = RandomNumberGenerator.GetBytes(5 << 20);

    private static Task<VolumeRig> OpenAsync(bool redirects) => VolumeRig.OpenAsync(openPushed: copies =>
        new BucketContents(new MemoryBucket(), "gw/", copies, TimeProvider.System) { Redirects = redirects });

    private static async Task<Uri?> RedirectAsync(IBacking repository, byte[] bytes) =>
        await repository.RedirectAsync(await VolumeRig.PushBlobAsync(repository, bytes), default);

    [Fact]
    public async Task Large_pushed_blob_has_an_address_if_redirects_are_on()
    {
        await using var rig = await OpenAsync(redirects: true);
        var address = (await RedirectAsync(rig.Volume.Pushed(VolumeRig.Name), Large))!;
        Assert.Contains(Digest.Of(Large).Hex, address.AbsoluteUri, StringComparison.Ordinal);
        Assert.Contains("type=application/octet-stream", address.AbsoluteUri, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gateway_sends_blobs_itself_if_redirects_are_off()
    {
        await using var rig = await OpenAsync(redirects: false);
        Assert.Null(await RedirectAsync(rig.Volume.Pushed(VolumeRig.Name), Large));
    }

    [Fact]
    public async Task Small_blob_and_blob_of_another_repository_have_no_address()
    {
        await using var rig = await OpenAsync(redirects: true);
        Assert.Null(await RedirectAsync(rig.Volume.Pushed(VolumeRig.Name), new byte[1000]));
        await VolumeRig.PushBlobAsync(rig.Volume.Pushed(VolumeRig.Name), Large);
        var other = rig.Volume.Pushed(RepositoryName.Parse("team/other"));
        Assert.Null(await other.RedirectAsync(Digest.Of(Large), default));
    }

    [Fact]
    public async Task Cached_and_staged_content_has_no_address()
    {
        await using var rig = await OpenAsync(redirects: true);
        Assert.Null(await RedirectAsync(rig.Volume.Staged("docker.io", VolumeRig.Name), Large));
    }

    [Fact]
    public async Task Removed_blob_has_no_address()
    {
        await using var rig = await OpenAsync(redirects: true);
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        await VolumeRig.PushBlobAsync(repository, Large);
        await repository.CommitAsync(new([new Operation.RemoveBlob(Digest.Of(Large))]), default);
        Assert.Null(await repository.RedirectAsync(Digest.Of(Large), default));
    }
}
