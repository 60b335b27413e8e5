using System.Text;
using Gateway.Oci;
using Gateway.Testing;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a collection removes from a bucket that two replicas use, and what it never removes.</summary>
public sealed class SharedCollectionTests : IAsyncLifetime
{
    private static readonly TimeSpan Grace = TimeSpan.FromHours(1);

    private readonly MemoryBucket _bucket = new();
    private readonly AdvancedClock _clock = new();
    private VolumeRig _one = null!;
    private VolumeRig _two = null!;

    public async ValueTask InitializeAsync()
    {
        _one = await SharedRig.OpenAsync(_bucket, _clock, collects: true);
        _two = await SharedRig.OpenAsync(_bucket, _clock, collects: true);
    }

    public async ValueTask DisposeAsync()
    {
        await _one.DisposeAsync();
        await _two.DisposeAsync();
    }

    private static IBacking Of(VolumeRig rig) => rig.Volume.Repositories.BuiltIn(VolumeRig.Name);

    private static Digest ConfigOf(string text) => Digest.Of(Encoding.UTF8.GetBytes(text));

    private bool Has(Digest digest) => _bucket.Peek(BucketContents.KeyOf("", digest)) is not null;

    private Task<CollectionReport> CollectAsync(bool dryRun = false, TimeSpan? untagged = null) =>
        _one.Volume.Collector.RunAsync(new(dryRun, untagged, new HashSet<string>()), static _ => { }, CancellationToken.None);

    private static CollectedRoot Pushed(CollectionReport report) => report.Roots.Single(static root => root.Root == "pushed");

    private async Task<CollectionReport> CollectWithWaitAsync(Func<Task>? meanwhile = null, TimeSpan? untagged = null)
    {
        var collecting = CollectAsync(untagged: untagged);
        await Patience.UntilAsync(
            () => Task.FromResult(_one.Volume.Collector.Condemned > 0 || collecting.IsCompleted), () => "content is condemned");
        if (meanwhile is not null) await meanwhile();
        _clock.Advance(2 * Grace);
        return await collecting;
    }

    [Fact]
    public async Task Bytes_of_deleted_image_are_removed_and_what_is_used_meanwhile_stays()
    {
        await VolumeRig.PushAsync(Of(_one), "kept", "kept");
        var gone = await VolumeRig.PushAsync(Of(_two), "gone", "gone");
        var again = await VolumeRig.PushAsync(Of(_two), "again", "again");
        await Of(_two).CommitAsync(new([new Operation.RemoveManifest(gone)]), default);
        await Of(_two).CommitAsync(new([new Operation.RemoveManifest(again)]), default);
        _clock.Advance(2 * Grace);
        var dry = await CollectAsync(dryRun: true);
        Assert.True(Has(gone) && Has(ConfigOf("gone")));
        var report = await CollectWithWaitAsync(async () =>
            Assert.Equal(again, await VolumeRig.PushAsync(Of(_two), "again", "again")));
        Assert.Equal([], report.Notes);
        Assert.Equal((2, 4), (Pushed(report).Contents, Pushed(dry).Contents));
        Assert.False(Has(gone) || Has(ConfigOf("gone")), "bytes of a deleted image are still in the bucket");
        foreach (var text in (string[])["kept", "again"])
        {
            Assert.False((await VolumeRig.LiveAsync(Of(_one), text)).IsEmpty);
            Assert.Equal(text, await VolumeRig.ReadAsync(Of(_one), ConfigOf(text)));
            Assert.True(Has(ConfigOf(text)));
        }
        // A blob is read as of at most a second ago.
        await _two.Volume.Repositories.PollAsync(default);
        Assert.Equal("absent", await VolumeRig.ReadAsync(Of(_two), ConfigOf("gone")));
        // A push after the removal brings its bytes.
        Assert.Equal(gone, await VolumeRig.PushAsync(Of(_two), "gone", "gone"));
        Assert.True(Has(gone) && Has(ConfigOf("gone")));
    }

    [Fact]
    public async Task Blob_that_another_replica_found_is_not_removed()
    {
        await VolumeRig.PushBlobAsync(Of(_two), "blob"u8.ToArray());
        _clock.Advance(2 * Grace);
        var report = await CollectWithWaitAsync(async () =>
        {
            await _two.Volume.Repositories.PollAsync(default);
            var found = await Of(_two).OpenBlobAsync(ConfigOf("blob"), BlobUse.Head, default);
            await Assert.IsType<Result<IContent>.Found>(found).Value.DisposeAsync();
        });
        Assert.Equal((0, 0), (Pushed(report).Links, Pushed(report).Contents));
        Assert.Equal("blob", await VolumeRig.ReadAsync(Of(_one), ConfigOf("blob")));
    }

    [Fact]
    public async Task Collection_whose_state_was_removed_gets_a_number_that_no_gateway_knows()
    {
        for (var expected = 1; expected <= 3; expected += 2)
        {
            await Of(_two).CommitAsync(
                new([new Operation.RemoveManifest(await VolumeRig.PushAsync(Of(_two), "v1", $"gone {expected}"))]), default);
            _clock.Advance(2 * Grace);
            await CollectWithWaitAsync();
            var state = await _bucket.ReadAsync("gateway/gc/state", CollectionState.MaxBytes, null, default);
            Assert.Equal(expected, CollectionState.Parse(state.Bytes.Span).Run);
            await _bucket.DeleteAsync("gateway/gc/state", default);
        }
    }

    [Fact]
    public async Task Untagged_manifests_parts_of_logs_and_probes_that_nothing_names_are_removed()
    {
        var untagged = await VolumeRig.PushAsync(Of(_one), "v1", "untagged");
        var tagged = await VolumeRig.PushAsync(Of(_one), "v1", "tagged");
        string[] leftovers = ["gateway/logs/team/app/00000000000000000001-left", "gateway/gc/lists/left", "gateway/probe/left"];
        foreach (var key in leftovers) await _bucket.PutAsync(key, "left"u8.ToArray(), PutCondition.None, default);
        _clock.Advance(TimeSpan.FromDays(2));
        var report = await CollectWithWaitAsync(untagged: TimeSpan.FromHours(1));
        Assert.Equal((1, 1, 2), (Pushed(report).Manifests, Pushed(report).Links, Pushed(report).Contents));
        Assert.False(Has(untagged));
        Assert.Equal(tagged, await VolumeRig.LiveAsync(Of(_two), "v1"));
        Assert.Empty(_bucket.Keys.Intersect(leftovers));
    }

    [Fact]
    public async Task Deleted_image_is_restored_from_the_trash_until_its_bytes_are_removed()
    {
        var digest = await VolumeRig.PushAsync(Of(_two), "v1", "text");
        await Of(_two).CommitAsync(new([new Operation.RemoveManifest(digest)]), default);
        Assert.Contains(_two.Volume.TrashContents.Latest(), item => item.What == "tag" && item.Name == "team/app:v1");
        var report = await _two.Volume.TrashContents.RestoreAsync(VolumeRig.Name, digest, default);
        Assert.Equal([digest], report.Restored.Select(static restored => restored.Digest));
        Assert.IsType<Result<StoredManifest>.Found>(await Of(_one).ReadManifestAsync(digest, default));
    }


    [Theory]
    [InlineData(10)]
    [InlineData(2 << 20)]
    public async Task Damaged_state_of_a_collection_is_named_with_the_remedy(int length)
    {
        var bucket = new MemoryBucket();
        var objects = new CollectionObjects(bucket, "gw/", new LogClock(TimeProvider.System));
        await bucket.PutAsync(objects.Key, new byte[length], PutCondition.None, default);

        var e = await Assert.ThrowsAsync<IOException>(async () => await objects.ReadAsync(default, default));

        Assert.EndsWith(
            "; restore gw/gateway/gc/state from a version of the bucket, or remove it while no collection runs", e.Message,
            StringComparison.Ordinal);
    }
}
