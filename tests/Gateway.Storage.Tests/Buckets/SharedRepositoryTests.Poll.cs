using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What a replica learns of repositories that nobody asks it for.</summary>
public sealed partial class SharedRepositoryTests
{
    [Fact]
    public async Task Repositories_of_distribution_are_in_the_catalog()
    {
        string[] names = ["a/b", "a", "a-b", "z/0/1"];
        foreach (var name in names) await LinkManifestAsync(name);
        var rig = await ReplicaAsync();
        await Patience.UntilAsync(
            () => Task.FromResult(rig.Volume.Repositories.PushedAfter(null, 10).Items.Count == 4), () => "four repositories are adopted");
        Assert.Equal(
            names.Order(StringComparer.Ordinal), rig.Volume.Repositories.PushedAfter(null, 10).Items.Select(n => n.Value));
    }

    [Fact]
    public async Task Repositories_that_are_copied_to_the_bucket_after_the_start_are_in_the_catalog()
    {
        var clock = new AdvancedClock();
        var rig = await ReplicaAsync(_bucket, clock);
        await rig.Volume.Repositories.ListAgainAsync(default);
        await LinkManifestAsync("a/b");
        await Patience.UntilAsync(
            () =>
            {
                clock.Advance(TimeSpan.FromSeconds(5));
                return Task.FromResult(rig.Volume.Repositories.PushedAfter(null, 10).Items.Count == 1);
            },
            () => "the repository is adopted");
        await Patience.UntilAsync(() => Task.FromResult(_bucket.Keys.Contains("gateway/adopted")), () => "the bucket is marked");
    }

    [Fact]
    public async Task Repository_that_was_asked_for_before_it_was_copied_to_the_bucket_is_found_without_a_restart()
    {
        var clock = new AdvancedClock();
        var rig = await ReplicaAsync(_bucket, clock);
        // The bucket was adopted once: no later poll looks for repositories without a log.
        await _bucket.PutAsync("gateway/adopted", "1"u8.ToArray(), PutCondition.None, default);
        Assert.Empty(await Of(rig).ManifestsAsync().ToArrayAsync());
        Assert.True((await VolumeRig.LiveAsync(Of(rig), "v1")).IsEmpty);
        await LinkManifestAsync("team/app");
        clock.Advance(TimeSpan.FromSeconds(6));
        Assert.True((await VolumeRig.LiveAsync(Of(rig), "v1")).IsEmpty);
        Assert.Single(await Of(rig).ManifestsAsync().ToArrayAsync());
    }

    [Fact]
    public async Task Links_that_the_poll_finds_are_adopted_however_recently_the_repository_was_asked_for()
    {
        var rig = await ReplicaAsync();
        Assert.True((await VolumeRig.LiveAsync(Of(rig), "v1")).IsEmpty);
        await LinkManifestAsync("team/app");
        await rig.Volume.Logs!.AdoptAsync(rig.Volume.Pushed(VolumeRig.Name));
        Assert.Single(await Of(rig).ManifestsAsync().ToArrayAsync());
    }

    [Fact]
    public async Task Change_that_another_gateway_tells_is_applied_without_the_poll_and_without_a_request()
    {
        var isAway = false;
        var (one, two) = (await ReplicaAsync(), await ReplicaAsync(new FaultyBucket(
            _bucket, call => isAway && call.Verb == BucketVerb.List && call.Key.StartsWith("gateway/heads/", StringComparison.Ordinal)
                ? Fault.Unavailable
                : Fault.None)));
        var told = new List<string>();
        one.Volume.SharedNews!.Tell = told.Add;
        await two.Volume.Repositories.Poll!.RunAsync();
        isAway = true;
        var digest = await VolumeRig.PushAsync(Of(one), "v1", "text");
        Assert.Equal("team/app", Assert.Single(told.Distinct()));
        var copy = two.Volume.Pushed(VolumeRig.Name);
        Assert.True(copy.LiveOf(TagName.Parse("v1")).IsEmpty);
        foreach (var name in (string[])["no such name!", "not/there", "team/app"]) two.Volume.SharedNews!.Hear(name);
        await Patience.UntilAsync(
            () => Task.FromResult(copy.LiveOf(TagName.Parse("v1")) == digest), () => "the told change is in the copy");
        Assert.Single(two.Volume.Repositories.PushedAfter(null, 10).Items);
    }

    [Fact]
    public async Task Lag_grows_while_the_heads_cannot_be_listed()
    {
        var (isAway, clock) = (false, new AdvancedClock());
        var rig = await ReplicaAsync(
            new FaultyBucket(_bucket, call => isAway && call.Verb == BucketVerb.List ? Fault.Unavailable : Fault.None), clock);
        var poll = rig.Volume.Repositories.Poll!;
        await poll.RunAsync();
        isAway = true;
        clock.Advance(TimeSpan.FromMinutes(2));
        await Assert.ThrowsAsync<IOException>(poll.RunAsync);
        Assert.InRange(poll.Lag, TimeSpan.FromMinutes(2), TimeSpan.MaxValue);
        isAway = false;
        await poll.RunAsync();
        Assert.InRange(poll.Lag, TimeSpan.Zero, TimeSpan.FromMinutes(1));
    }

    private async Task LinkManifestAsync(string repository)
    {
        var hex = Digest.Of("m"u8).Hex.ToString();
        var link = $"docker/registry/v2/repositories/{repository}/_manifests/revisions/sha256/{hex}/link";
        await _bucket.PutAsync(link, Encoding.ASCII.GetBytes($"sha256:{hex}"), PutCondition.None, default);
    }
}
