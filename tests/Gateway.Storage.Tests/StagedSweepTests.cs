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
        File.SetLastWriteTimeUtc(rig.Volume.Roots.Staged.Data(digest), DateTime.UtcNow.AddDays(-3));
        rig.Volume.StagedContent.SweepBytes();
        Assert.NotNull(await staged.FindAsync(digest, 3, default));
        clock.Advance(TimeSpan.FromHours(3));
        rig.Volume.StagedContent.SweepBytes();
        Assert.Null(await staged.FindAsync(digest, 3, default));
    }

    // The committer waits in a change of its own, so that all changes that are queued until then are of one batch.
    private static async Task<Task> HoldCommitterAsync(StoredRepository repository, ManualResetEventSlim queued)
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var waiting = repository.CommitAsync(
            new([new Operation.RemoveTag(TagName.Parse("none"))])
            {
                IsStillAllowed = () =>
                {
                    entered.SetResult();
                    return queued.Wait(TimeSpan.FromMinutes(1));
                },
            }, default);
        await entered.Task;
        return waiting.AsTask();
    }

    [Fact]
    public async Task Blob_that_one_change_of_a_batch_unlinks_and_the_next_one_links_keeps_its_bytes()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var first = rig.Volume.Staged("hub.example", VolumeRig.Name);
        var second = rig.Volume.Staged("hub.example", RepositoryName.Parse("team/other"));
        var digest = await VolumeRig.PushBlobAsync(first, "blob"u8.ToArray());
        using var queued = new ManualResetEventSlim();
        var wait = await HoldCommitterAsync(first, queued);
        var removing = first.CommitAsync(new([new Operation.RemoveBlob(digest)]), default).AsTask();
        var linking = second.CommitAsync(new([new Operation.LinkBlob(digest, 4)]), default).AsTask();
        queued.Set();
        await wait;
        Assert.IsType<CommitResult.Committed>(await removing);
        Assert.IsType<CommitResult.Committed>(await linking);
        Assert.Equal("blob", await VolumeRig.ReadAsync(second, digest));
        Assert.Equal("absent", await VolumeRig.ReadAsync(first, digest));
        await rig.KillAsync();
        Assert.Equal("blob", await VolumeRig.ReadAsync(rig.Volume.Staged("hub.example", RepositoryName.Parse("team/other")), digest));
    }

    [Fact]
    public async Task Manifest_is_accepted_after_its_blob_was_removed_and_linked_again_in_the_same_batch()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        var blob = await VolumeRig.PushBlobAsync(repository, "blob"u8.ToArray());
        var manifest = VolumeRig.ManifestOf(blob, 4);
        using var queued = new ManualResetEventSlim();
        var wait = await HoldCommitterAsync(repository, queued);
        _ = repository.CommitAsync(new([new Operation.RemoveBlob(blob)]), default).AsTask();
        _ = repository.CommitAsync(new([new Operation.LinkBlob(blob, 4)]), default).AsTask();
        var pushing = repository.CommitAsync(
            new([new Operation.StoreManifest(Digest.Of(manifest), manifest)]) { Needs = [(LinkKind.Blob, blob)] }, default).AsTask();
        queued.Set();
        await wait;
        Assert.IsType<CommitResult.Committed>(await pushing);
        Assert.Equal("blob", await VolumeRig.ReadAsync(repository, blob));
    }
}
