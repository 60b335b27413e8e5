using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Staged bytes that no repository links.</summary>
public sealed class StagedSweepTests
{
    [Fact]
    public async Task Old_bytes_without_a_link_stay_while_their_use_is_recent()
    {
        var clock = new AdvancedClock();
        await using var rig = await VolumeRig.OpenAsync(clock);
        // The time after which the gateway knows all uses.
        clock.Advance(TimeSpan.FromHours(3));
        var digest = Digest.Of([1, 2, 3]);
        var staged = rig.Volume.Content.Of(Lifetime.Staged);
        await staged.PutAsync(digest, new byte[] { 1, 2, 3 }, Put.Durable, default);
        File.SetLastWriteTimeUtc(rig.Volume.StagedRoot.Data(digest), DateTime.UtcNow.AddDays(-3));
        rig.Volume.StagedContent.SweepBytes();
        Assert.NotNull(await staged.FindAsync(digest, 3, default));
        clock.Advance(TimeSpan.FromHours(3));
        rig.Volume.StagedContent.SweepBytes();
        Assert.Null(await staged.FindAsync(digest, 3, default));
    }
}
