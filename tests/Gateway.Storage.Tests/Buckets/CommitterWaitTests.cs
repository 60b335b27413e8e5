using System.Collections.Concurrent;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>The committer serves all repositories, also those that need no bucket.</summary>
public sealed class CommitterWaitTests
{
    [Fact]
    public async Task Changes_of_other_gateways_are_applied_without_a_wait_of_the_committer_for_the_bucket()
    {
        var waits = new ConcurrentQueue<string>();
        var bucket = new MemoryBucket(pause: () =>
        {
            if (Environment.StackTrace is var stack && stack.Contains("Gateway.Storage.Committer.Apply", StringComparison.Ordinal))
                waits.Enqueue(stack);
            return default;
        });
        await using var one = await SharedRig.OpenAsync(bucket);
        await using var two = await SharedRig.OpenAsync(bucket);
        var (here, there) = (one.Volume.Repositories.BuiltIn(VolumeRig.Name), two.Volume.Repositories.BuiltIn(VolumeRig.Name));
        // From now on, the other gateway notes the children of each index.
        await there.IndexesOfAsync(Digest.Of("none"u8));
        var subject = await VolumeRig.PushAsync(here, "v1", "text");
        var signature = await VolumeRig.PushAsync(here, "other", "signature", new(MediaTypes.OciManifest, subject, 5));
        Assert.Equal(signature, await VolumeRig.LiveAsync(there, "other"));
        await here.CommitAsync(new([new Operation.RemoveManifest(signature)]), default);
        Assert.True((await VolumeRig.LiveAsync(there, "other")).IsEmpty);
        Assert.Empty(waits);
    }
}
