using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The keys of a shared bucket suit stores that are stricter than S3.</summary>
public sealed class BucketKeysTests
{
    [Fact]
    public async Task No_key_is_the_folder_of_another_one_also_if_a_repository_is_below_another()
    {
        // Some stores do not list, or do not take, an object below the key of another object.
        var bucket = new MemoryBucket();
        await using var rig = await SharedRig.OpenAsync(bucket);
        foreach (var name in new[] { "team", "team/app", "team/app/tool" })
            await VolumeRig.PushAsync(rig.Volume.Repositories.BuiltIn(RepositoryName.Parse(name)), "v1", name);
        await using (await rig.Volume.Uploads.OpenAsync("team", DigestAlgorithm.Sha256, "ci", default))
        {
            await rig.Volume.Logs!.DisposeAsync();
            var keys = bucket.Keys;
            Assert.Equal(3, keys.Count(static key => key.StartsWith("gateway/heads/", StringComparison.Ordinal)));
            Assert.DoesNotContain(keys, key => keys.Any(other => other.StartsWith($"{key}/", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task Repository_below_another_one_is_found_by_its_head()
    {
        var bucket = new MemoryBucket();
        await using var one = await SharedRig.OpenAsync(bucket);
        foreach (var name in new[] { "team", "team/app" })
            await VolumeRig.PushAsync(one.Volume.Repositories.BuiltIn(RepositoryName.Parse(name)), "v1", name);
        await using var two = await SharedRig.OpenAsync(bucket);
        await two.Volume.Repositories.Poll!.RunAsync();
        Assert.Equal(["team", "team/app"], two.Volume.Repositories.PushedAfter(null, 10).Items.Select(static name => name.Value));
    }
}
