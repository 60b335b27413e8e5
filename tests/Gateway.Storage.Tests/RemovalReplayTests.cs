using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// Acknowledged removals after a power cut: a replay identifies the removed links by identity and order, never by the clock.
/// </summary>
public sealed class RemovalReplayTests
{
    /// <summary>The clock was an hour ahead when the links were written, and a power cut loses the effects of the delete on them.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Acknowledged_delete_survives_a_power_cut_although_the_clock_was_ahead_at_the_push(bool isFlushed)
    {
        await using var rig = await VolumeRig.OpenAsync();
        var ahead = TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1);
        var root = rig.Volume.Roots.Pushed;
        var (name, blob) = (VolumeRig.Name.Value, Digest.Of("one"u8));
        var digest = await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        // The push is either replayed, or was flushed before the power cut.
        if (isFlushed) await rig.RestartAsync();
        string[] links = [root.ManifestLink(name, digest), root.BlobLink(name, blob)];
        foreach (var link in links) File.SetLastWriteTimeUtc(link, ahead);
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        await repository.CommitAsync(new([new Operation.RemoveManifest(digest)]), default);
        await repository.CommitAsync(new([new Operation.RemoveBlob(blob)]), default);
        await rig.KillAsync(path =>
        {
            var there = new Root(Path.Combine(path, "docker/registry/v2"), Lifetime.Pushed);
            string[] copies = [there.ManifestLink(name, digest), there.BlobLink(name, blob), there.TagLink(name, TagName.Parse("v1"))];
            foreach (var (link, target) in copies.Zip([digest, blob, digest]))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(link)!);
                File.WriteAllText(link, target.ToString());
                File.SetLastWriteTimeUtc(link, ahead);
            }
        });
        repository = rig.Volume.Pushed(VolumeRig.Name);
        Assert.True((await VolumeRig.LiveAsync(repository, "v1")).IsEmpty);
        Assert.IsType<Result<StoredManifest>.Absent>(await repository.ReadManifestAsync(digest, default));
        Assert.Equal("absent", await VolumeRig.ReadAsync(repository, blob));
    }

    [Fact]
    public async Task Push_and_delete_of_one_batch_survive_a_power_cut_in_any_state()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var repository = rig.Volume.Pushed(VolumeRig.Name);
        var blob = Digest.Of("one"u8);
        var digests = new List<Digest>();
        // Several at once, so that the committer takes some in one batch.
        for (var round = 0; round < 8; round++)
        {
            var manifest = VolumeRig.ManifestOf(await VolumeRig.PushBlobAsync(repository, "one"u8.ToArray()), 3 + round);
            var digest = Digest.Of(manifest);
            digests.Add(digest);
            await Task.WhenAll(
                repository.CommitAsync(new([new Operation.StoreManifest(digest, manifest)]), default).AsTask(),
                repository.CommitAsync(new([new Operation.RemoveManifest(digest)]), default).AsTask(),
                repository.CommitAsync(new([new Operation.RemoveBlob(blob)]), default).AsTask());
        }
        await rig.KillAsync(path => Directory.Delete(Path.Combine(path, "docker"), recursive: true));
        repository = rig.Volume.Pushed(VolumeRig.Name);
        foreach (var digest in digests)
            Assert.IsType<Result<StoredManifest>.Absent>(await repository.ReadManifestAsync(digest, default));
        Assert.Equal("absent", await VolumeRig.ReadAsync(repository, blob));
    }
}
