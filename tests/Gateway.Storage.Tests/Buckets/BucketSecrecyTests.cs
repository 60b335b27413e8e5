using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a client learns when the bucket fails.</summary>
public sealed class BucketSecrecyTests
{
    private const string Secret = "https://s3.internal.example";

    [Fact]
    public async Task Client_does_not_see_the_address_of_the_bucket_when_a_push_fails()
    {
        var isAway = false;
        var bucket = new MemoryBucket(pause: () => isAway
            ? throw new BucketException(
                $"bucket images at {Secret}", "PUT x: expected success, got 403", "correct the keys in /etc/x", 403, "")
            : default);
        await using var rig = await SharedRig.OpenAsync(bucket);
        var repository = rig.Volume.Repositories.BuiltIn(VolumeRig.Name);
        var digest = await VolumeRig.PushAsync(repository, "v1", "text");
        isAway = true;
        var manifest = """{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"""u8.ToArray();
        Operation[] pushes =
            [new Operation.SetLive(TagName.Parse("v2"), digest), new Operation.StoreManifest(Digest.Of(manifest), manifest)];
        foreach (var push in pushes)
        {
            var refusal = await Assert.ThrowsAsync<StoreReadOnlyException>(async () => await repository.CommitAsync(new([push]), default));
            Assert.DoesNotContain(Secret, refusal.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("/etc", refusal.Message, StringComparison.Ordinal);
            Assert.IsType<BucketException>(refusal.InnerException);
        }
    }
}
