using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>
/// A failed write: clients get the reason without a path of the server. The operator gets the path from <c>/readyz?verbose</c>, if the
/// gateway needs help to continue.
/// </summary>
public sealed class WriteFailureMessageTests
{
    private static readonly Change Tagging = new([new Operation.SetLive(TagName.Parse("v1"), Digest.Of("one"u8))]);

    [Theory]
    [InlineData("gateway/journal")]
    [InlineData("docker/registry/v2/repositories")]
    public async Task Failed_commit_names_the_reason_and_no_path(string blocked)
    {
        await using var rig = await VolumeRig.OpenAsync();
        Block(rig.Path, blocked);
        await AssertNoPathAsync(rig, () => rig.Volume.Pushed(VolumeRig.Name).CommitAsync(Tagging, default).AsTask());
        Unblock(rig.Path, blocked);
    }

    [Fact]
    public async Task Failed_upload_names_the_reason_and_no_path()
    {
        await using var rig = await VolumeRig.OpenAsync();
        Block(rig.Path, "gateway/uploads");
        await AssertNoPathAsync(
            rig, () => rig.Volume.Pushed(VolumeRig.Name).OpenUploadAsync(DigestAlgorithm.Sha256, "tester", default).AsTask());
        Unblock(rig.Path, "gateway/uploads");
    }

    [Fact]
    public async Task Failed_replay_names_the_path_to_the_operator_only()
    {
        await using var rig = await VolumeRig.OpenAsync();
        await VolumeRig.PushAsync(rig.Volume.Pushed(VolumeRig.Name), "v1", "one");
        await rig.KillAsync(static path => Block(path, "docker/registry/v2/repositories"));
        Assert.Contains(rig.Path, rig.Volume.Health.ReadOnlyBecause, StringComparison.Ordinal);
        await AssertNoPathAsync(rig, () => rig.Volume.Pushed(VolumeRig.Name).CommitAsync(Tagging, default).AsTask());
        Unblock(rig.Path, "docker/registry/v2/repositories");
    }

    [Fact]
    public async Task Damaged_journal_is_named_to_the_operator_only()
    {
        await using var rig = await VolumeRig.OpenAsync();
        for (var i = 0; i < 3; i++) await rig.Volume.Pushed(VolumeRig.Name).CommitAsync(Tagging, default);
        await rig.KillAsync(static path =>
        {
            var segment = Assert.Single(Journal.Segments(Path.Combine(path, "gateway/journal")));
            var bytes = File.ReadAllBytes(segment);
            bytes[40] ^= 1;
            File.WriteAllBytes(segment, bytes);
        });
        Assert.Contains(rig.Path, rig.Volume.Health.ReadOnlyBecause, StringComparison.Ordinal);
        await AssertNoPathAsync(rig, () => rig.Volume.Pushed(VolumeRig.Name).CommitAsync(Tagging, default).AsTask());
    }

    [Fact]
    public async Task Volume_not_writable_at_the_start_names_the_path_to_the_operator_only()
    {
        await using var rig = await VolumeRig.OpenAsync();
        await rig.KillAsync(static path => Block(path, "gateway/trash"));
        Assert.Contains(rig.Path, rig.Volume.Health.ReadOnlyBecause, StringComparison.Ordinal);
        await AssertNoPathAsync(rig, () => rig.Volume.Pushed(VolumeRig.Name).CommitAsync(Tagging, default).AsTask());
    }

    private static async Task AssertNoPathAsync(VolumeRig rig, Func<Task> write)
    {
        var refused = await Assert.ThrowsAnyAsync<StoreReadOnlyException>(write);
        Assert.DoesNotContain(rig.Path, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('/', refused.Message.Replace("Input/output", "", StringComparison.Ordinal));
    }

    /// <summary>Puts a file in the place of a folder: this stops writes of every user, including root.</summary>
    private static void Block(string volume, string folder)
    {
        var path = Path.Combine(volume, folder);
        if (Directory.Exists(path)) Directory.Move(path, path + ".moved");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "");
    }

    private static void Unblock(string volume, string folder)
    {
        var path = Path.Combine(volume, folder);
        File.Delete(path);
        if (Directory.Exists(path + ".moved")) Directory.Move(path + ".moved", path);
    }
}
