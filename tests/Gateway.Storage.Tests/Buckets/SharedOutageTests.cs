using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a replica answers while its bucket is away.</summary>
public sealed class SharedOutageTests : IAsyncLifetime
{
    private readonly MemoryBucket _bucket = new();
    private readonly List<VolumeRig> _rigs = [];

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        foreach (var rig in _rigs) await rig.DisposeAsync();
    }

    private async Task<VolumeRig> ReplicaAsync(IBucket? bucket = null, TimeProvider? clock = null)
    {
        var rig = await SharedRig.OpenAsync(bucket ?? _bucket, clock);
        _rigs.Add(rig);
        return rig;
    }

    private static IBacking Of(VolumeRig rig) => rig.Volume.Repositories.BuiltIn(VolumeRig.Name);

    [Fact]
    public async Task Last_state_is_served_with_a_notice_while_the_bucket_is_away_and_then_no_more()
    {
        var (isAway, clock) = (false, new AdvancedClock());
        var faulty = new FaultyBucket(_bucket, _ => isAway ? Fault.Unavailable : Fault.None);
        var rig = await ReplicaAsync(faulty, clock);
        var digest = await VolumeRig.PushAsync(Of(rig), "v1", "text");
        Assert.Equal(digest, await VolumeRig.LiveAsync(Of(rig), "v1"));
        isAway = true;
        clock.Advance(TimeSpan.FromMinutes(9));
        var stale = Assert.IsType<Result<TagState>.Found>(await Of(rig).ResolveAsync(TagName.Parse("v1"), default));
        Assert.Equal((digest, ForwardReason.Stale), (stale.Value.Live, stale.Handling.Forward));
        await Assert.ThrowsAsync<StoreReadOnlyException>(() => VolumeRig.PushAsync(Of(rig), "v2", "more"));
        clock.Advance(TimeSpan.FromMinutes(2));
        Assert.IsType<Result<TagState>.Unavailable>(await Of(rig).ResolveAsync(TagName.Parse("v1"), default));
        isAway = false;
        // A failure counts for a second.
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(digest, await VolumeRig.LiveAsync(Of(rig), "v1"));
    }

    [Fact]
    public async Task What_the_copy_does_not_have_is_unavailable_while_the_bucket_is_away_because_another_gateway_may_have_pushed_it()
    {
        var isAway = false;
        var rig = await ReplicaAsync(new FaultyBucket(_bucket, _ => isAway ? Fault.Unavailable : Fault.None));
        await VolumeRig.PushAsync(Of(rig), "v1", "text");
        isAway = true;
        var other = Of(await ReplicaAsync());
        var pushed = await VolumeRig.PushAsync(other, "v2", "more");
        Assert.IsType<Result<TagState>.Unavailable>(await Of(rig).ResolveAsync(TagName.Parse("v2"), default));
        Assert.IsType<Result<StoredManifest>.Unavailable>(await Of(rig).ReadManifestAsync(pushed, default));
    }

    [Fact]
    public async Task Repository_that_was_not_pulled_from_for_longer_than_staleFor_is_served_when_the_bucket_goes_away()
    {
        var (isAway, clock) = (false, new AdvancedClock());
        var rig = await ReplicaAsync(new FaultyBucket(_bucket, _ => isAway ? Fault.Unavailable : Fault.None), clock);
        var digest = await VolumeRig.PushAsync(Of(rig), "v1", "text");
        for (var minutes = 0; minutes < 20; minutes++)
        {
            clock.Advance(TimeSpan.FromMinutes(1));
            await rig.Volume.Repositories.ListAgainAsync(default);
        }
        isAway = true;
        var stale = Assert.IsType<Result<TagState>.Found>(await Of(rig).ResolveAsync(TagName.Parse("v1"), default));
        Assert.Equal((digest, ForwardReason.Stale), (stale.Value.Live, stale.Handling.Forward));
    }

    [Fact]
    public async Task Retag_that_the_bucket_does_not_store_leaves_the_pulls_of_the_repository_as_they_are()
    {
        var refuses = false;
        var rig = await ReplicaAsync(new FaultyBucket(
            _bucket, call => refuses && call is { Verb: BucketVerb.Put, Key: "gateway/heads/team/app/_head" }
                ? Fault.Unavailable
                : Fault.None));
        var digest = await VolumeRig.PushAsync(Of(rig), "v1", "text");
        refuses = true;
        var tag = TagName.Parse("v2");
        await Assert.ThrowsAsync<StoreReadOnlyException>(
            () => Of(rig).CommitAsync(new([new Operation.SetLive(tag, digest)]), default).AsTask());
        Assert.Equal(digest, await VolumeRig.LiveAsync(Of(rig), "v1"));
    }

    [Fact]
    public async Task Gateway_that_cannot_write_its_disk_serves_what_did_not_change_and_says_why_it_serves_nothing_else()
    {
        var (clock, other, v1) = (new AdvancedClock(), RepositoryName.Parse("team/other"), TagName.Parse("v1"));
        var (here, there) = (await ReplicaAsync(clock: clock), await ReplicaAsync());
        var (mine, unchanged) = (Of(here), here.Volume.Repositories.BuiltIn(other));
        var kept = await VolumeRig.PushAsync(there.Volume.Repositories.BuiltIn(other), "v1", "kept");
        var moved = await VolumeRig.PushAsync(Of(there), "v1", "one");
        Assert.Equal((kept, moved), (await VolumeRig.LiveAsync(unchanged, "v1"), await VolumeRig.LiveAsync(mine, "v1")));
        here.Volume.Durability.EndWrites("a flush failed; the volume accepts no writes");

        var found = Assert.IsType<Result<TagState>.Found>(await unchanged.ResolveAsync(v1, default));
        Assert.Equal((kept, ForwardReason.None), (found.Value.Live, found.Handling.Forward));
        var manifest = Assert.IsType<Result<StoredManifest>.Found>(await unchanged.ReadManifestAsync(kept, default)).Value;
        Assert.Equal("kept", await VolumeRig.ReadAsync(unchanged, manifest.Manifest.Blobs.First().Digest));

        await VolumeRig.PushAsync(Of(there), "v1", "two");
        clock.Advance(TimeSpan.FromSeconds(2));
        var changed = Assert.IsType<Result<TagState>.Unavailable>(await mine.ResolveAsync(v1, default));
        Assert.Equal("a change of another gateway could not be applied here: a flush failed; the volume accepts no writes", changed.Why);
        var refused = await Assert.ThrowsAsync<StoreReadOnlyException>(() => VolumeRig.PushAsync(mine, "v3", "more"));
        Assert.Contains("a flush failed", refused.Message, StringComparison.Ordinal);
        Assert.Equal(kept, await VolumeRig.LiveAsync(unchanged, "v1"));
    }


    [Fact]
    public async Task Push_of_another_gateway_is_seen_at_once_by_one_whose_own_push_was_not_stored()
    {
        var refuses = false;
        var here = await ReplicaAsync(
            new FaultyBucket(_bucket, call => refuses && call is { Verb: BucketVerb.Put, Key: "gateway/heads/team/app/_head" }
                ? Fault.Unavailable
                : Fault.None),
            new AdvancedClock());
        var there = Of(await ReplicaAsync());
        var digest = await VolumeRig.PushAsync(there, "v1", "text");
        Assert.Equal(digest, await VolumeRig.LiveAsync(Of(here), "v1"));
        refuses = true;
        await Assert.ThrowsAsync<StoreReadOnlyException>(
            () => Of(here).CommitAsync(new([new Operation.SetLive(TagName.Parse("v2"), digest)]), default).AsTask());

        var newer = await VolumeRig.PushAsync(there, "v1", "newer");

        var found = Assert.IsType<Result<TagState>.Found>(await Of(here).ResolveAsync(TagName.Parse("v1"), default));
        Assert.Equal((newer, ForwardReason.None), (found.Value.Live, found.Handling.Forward));
    }


    [Fact]
    public async Task Large_blob_that_the_disk_has_is_sent_by_the_gateway_and_not_redirected_while_the_bucket_is_away()
    {
        var (isAway, clock) = (false, new AdvancedClock());
        var faulty = new FaultyBucket(_bucket, _ => isAway ? Fault.Unavailable : Fault.None);
        var rig = await VolumeRig.OpenAsync(
            clock, copies => new BucketContents(faulty, "", copies, TimeProvider.System) { Redirects = true },
            new SharedStore(faulty, "", TimeSpan.FromMinutes(10)));
        _rigs.Add(rig);
        var digest = await VolumeRig.PushBlobAsync(Of(rig), new byte[5 << 20]);
        Assert.NotNull(await Of(rig).RedirectAsync(digest, default));
        await Patience.UntilAsync(
            () => Task.FromResult(File.Exists(rig.Volume.Roots.Cached.Data(digest))), () => "the pushed blob is on the disk");
        isAway = true;
        clock.Advance(TimeSpan.FromSeconds(2));

        var found = Assert.IsType<Result<IContent>.Found>(await Of(rig).OpenBlobAsync(digest, BlobUse.Whole, default));
        await using var content = found.Value;

        Assert.Null(await Of(rig).RedirectAsync(digest, default));
        // What the gateway remembers of the bucket is a minute old at most.
        (rig.Volume.Content.Of(Lifetime.Pushed) as BucketContents)!.Forget();
        Assert.Null(await rig.Volume.Pushed(VolumeRig.Name).RedirectAsync(digest, default));
    }


    /// <summary>As a repository whose state was not in memory any more.</summary>
    [Fact]
    public async Task Repository_that_was_not_used_since_the_start_is_served_when_the_bucket_goes_away_after_a_list()
    {
        var isAway = false;
        var rig = await ReplicaAsync(new FaultyBucket(_bucket, _ => isAway ? Fault.Unavailable : Fault.None), new AdvancedClock());
        var digest = await VolumeRig.PushAsync(Of(rig), "v1", "text");
        await rig.RestartAsync();
        await rig.Volume.Repositories.ListAgainAsync(default);
        isAway = true;

        var stale = Assert.IsType<Result<TagState>.Found>(await Of(rig).ResolveAsync(TagName.Parse("v1"), default));

        Assert.Equal((digest, ForwardReason.Stale), (stale.Value.Live, stale.Handling.Forward));
    }
}
