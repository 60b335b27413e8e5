using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Removed content: how long it stays in the trash, and what comes back from it.</summary>
public sealed class TrashTests : IAsyncLifetime
{
    private static readonly TimeSpan Grace = TimeSpan.FromHours(1);

    private readonly AdvancedClock _clock = new();
    private VolumeRig _rig = null!;

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    private TrashContents Trash => _rig.Volume.TrashContents;

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync(_clock);

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private Task<CommitResult> CommitAsync(params Operation[] operations) => Repository.CommitAsync(new([.. operations]), default).AsTask();

    private Task CollectAsync() => CollectAsync(2 * Grace);

    private async Task CollectAsync(TimeSpan later)
    {
        _clock.Advance(later);
        await _rig.Volume.Collector.RunAsync(
            new(false, null, new HashSet<string>()), static _ => { }, CancellationToken.None);
    }

    private static Digest ConfigOf(string text) => Digest.Of(Encoding.UTF8.GetBytes(text));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Deleted_manifest_comes_back_with_its_blobs_and_without_its_tags(bool isCollected)
    {
        var digest = await VolumeRig.PushAsync(Repository, "v1", "config");
        await CommitAsync(new Operation.RemoveManifest(digest));
        if (isCollected) await CollectAsync();
        await _rig.RestartAsync();
        Assert.Contains(Trash.All(), item => item.What == "manifest" && item.Name == $"team/app@{digest}");
        var report = await Trash.RestoreAsync(VolumeRig.Name, digest, default);
        Assert.Empty(report.Problems);
        Assert.Equal(("team/app", digest, 1, "v1"), (
            report.Restored[0].Repository, report.Restored[0].Digest, report.Restored[0].Blobs, report.Restored[0].Tags.Single()));
        Assert.NotNull(Repository.ReadManifest(digest));
        Assert.Equal("config", await VolumeRig.ReadAsync(Repository, ConfigOf("config")));
        Assert.True((await VolumeRig.LiveAsync(Repository, "v1")).IsEmpty);
        await _rig.KillAsync();
        Assert.Equal("config", await VolumeRig.ReadAsync(Repository, ConfigOf("config")));
    }

    [Fact]
    public async Task Subject_comes_back_with_its_evidence_and_an_index_with_its_children()
    {
        var child = await VolumeRig.PushAsync(Repository, "child", "child");
        var bytes = VolumeRig.Index(new Descriptor(MediaTypes.OciManifest, child, 1));
        var index = Digest.Of(bytes);
        await CommitAsync(new Operation.StoreManifest(index, bytes), new Operation.SetLive(TagName.Parse("v1"), index));
        var referrer = await VolumeRig.PushAsync(Repository, "r", "referrer", new Descriptor(MediaTypes.OciIndex, index, 1));
        var tag = TagName.Parse($"sha256-{index.Hex}.sig");
        var signature = await VolumeRig.PushAsync(Repository, tag.Value, "signature");
        await CommitAsync(
            new Operation.AddEvidence(index, signature), new Operation.RemoveTag(TagName.Parse("r")),
            new Operation.RemoveManifest(index), new Operation.RemoveManifest(child));
        await CollectAsync();
        Assert.Empty(Repository.Manifests());
        await CollectAsync();
        var report = await Trash.RestoreAsync(VolumeRig.Name, index, default);
        Assert.Empty(report.Problems);
        Assert.Equal(new HashSet<Digest> { child, index, referrer, signature }, [.. report.Restored.Select(static each => each.Digest)]);
        Assert.Equal(signature, await VolumeRig.LiveAsync(Repository, tag.Value));
        Assert.Equal([referrer], (await Referrers.ListAsync(Repository, index)).Select(static each => each.Digest));
        Assert.Equal(new HashSet<Digest> { referrer, signature }, [.. EvidenceNotes.List(Repository, index)]);
    }

    [Fact]
    public async Task Index_stays_in_the_trash_when_its_child_cannot_come_back_whole()
    {
        var child = await VolumeRig.PushAsync(Repository, "child", "child");
        var bytes = VolumeRig.Index(new Descriptor(MediaTypes.OciManifest, child, 1));
        var index = Digest.Of(bytes);
        await CommitAsync(new Operation.StoreManifest(index, bytes));
        await CommitAsync(new Operation.RemoveManifest(index));
        await CommitAsync(new Operation.RemoveManifest(child));
        await CollectAsync();
        await CollectAsync();
        foreach (var data in Directory.GetFiles($"{_rig.Path}/gateway/trash", "data", SearchOption.AllDirectories))
        {
            // The same length, and other bytes.
            if (File.ReadAllText(data) == "child") File.WriteAllText(data, "other");
        }
        var report = await Trash.RestoreAsync(VolumeRig.Name, default, default);
        Assert.Empty(report.Restored);
        Assert.Empty(Repository.Manifests());
        Assert.Contains(report.Problems, problem => problem.StartsWith($"team/app@{child}", StringComparison.Ordinal));
        Assert.Contains(report.Problems, problem => problem.StartsWith($"team/app@{index}", StringComparison.Ordinal));
        Assert.False(File.Exists(_rig.Volume.Roots.Pushed.Data(ConfigOf("child"))));
    }

    [Fact]
    public async Task Manifest_does_not_come_back_to_a_repository_that_never_had_it()
    {
        var digest = await VolumeRig.PushAsync(Repository, "v1", "config");
        var report = await Trash.RestoreAsync(RepositoryName.Parse("team/other"), digest, default);
        Assert.Empty(report.Restored);
        Assert.Contains($"team/other@{digest}", Assert.Single(report.Problems));
    }

    [Fact]
    public async Task Emptied_trash_brings_nothing_back()
    {
        var digest = await VolumeRig.PushAsync(Repository, "v1", "config");
        await CommitAsync(new Operation.RemoveManifest(digest));
        await CollectAsync();
        Assert.True(Trash.Empty() > 0);
        Assert.Empty(Trash.All());
        var report = await Trash.RestoreAsync(VolumeRig.Name, digest, default);
        Assert.Empty(report.Restored);
        Assert.Contains(digest.ToString(), Assert.Single(report.Problems));
    }

    [Fact]
    public async Task Oldest_content_goes_when_the_trash_is_too_old_or_too_large()
    {
        _rig.Volume.Collector.Limit(Grace, new(Grace, long.MaxValue));
        var first = await VolumeRig.PushAsync(Repository, "v1", "first");
        await CommitAsync(new Operation.RemoveManifest(first));
        _clock.Advance(Grace / 2);
        var second = await VolumeRig.PushAsync(Repository, "v1", "second");
        await CommitAsync(new Operation.RemoveManifest(second));
        _clock.Advance(Grace * 0.6);
        await CollectAsync(TimeSpan.Zero);
        Assert.DoesNotContain(Trash.All(), item => item.Name.Contains(first.Hex, StringComparison.Ordinal));
        Assert.Contains(Trash.All(), item => item.Name.Contains(second.Hex, StringComparison.Ordinal));
        _rig.Volume.Collector.Limit(Grace, new(Grace, 0));
        await CollectAsync(TimeSpan.Zero);
        Assert.Empty(Trash.All());
    }

    [Fact]
    public async Task Content_that_is_taken_out_of_a_full_trash_makes_room_at_once()
    {
        _rig.Volume.Collector.Limit(Grace, new(TimeSpan.FromDays(1), 1));
        for (var i = 0; i < 5; i++)
        {
            var digest = await VolumeRig.PushAsync(Repository, "v1", $"config {i}");
            await CommitAsync(new Operation.RemoveManifest(digest));
        }
        await Gateway.Testing.Patience.UntilAsync(
            () => Task.FromResult(Trash.All().Count() <= 1), () => $"a small trash, got {Trash.All().Count()} items");
    }
}
