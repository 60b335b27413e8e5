using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>What <c>gateway doctor</c> finds in a bucket that another program writes to.</summary>
public sealed class BucketReviewTests : IAsyncLifetime
{
    private const string Manifests = "docker/registry/v2/repositories/team/app/_manifests";

    private readonly AdvancedClock _clock = new();
    private readonly MemoryBucket _bucket;
    private VolumeRig _rig = null!;
    private Digest _one;
    private Digest _two;

    public BucketReviewTests() => _bucket = new(time: _clock);

    public async ValueTask InitializeAsync()
    {
        _rig = await SharedRig.OpenAsync(_bucket);
        var repository = _rig.Volume.Repositories.BuiltIn(VolumeRig.Name);
        _one = await VolumeRig.PushAsync(repository, "v1", "one");
        _two = await VolumeRig.PushAsync(repository, "v2", "two");
        await VolumeRig.PushAsync(repository, "gone", "gone");
        await repository.CommitAsync(new([new Operation.RemoveTag(TagName.Parse("gone"))]), default);
        await _rig.Volume.Logs!.DisposeAsync();
        _clock.Advance(TimeSpan.FromSeconds(2));
    }

    public async ValueTask DisposeAsync() => await _rig.DisposeAsync();

    private Task<BucketReviewed> ReviewAsync(MemoryBucket? bucket = null) =>
        BucketReview.RunAsync(bucket ?? _bucket, "", TimeSpan.FromSeconds(10), TimeProvider.System, default);

    private async Task LinkAsync(string path, Digest digest) =>
        await _bucket.PutAsync($"{Manifests}/{path}/link", Encoding.ASCII.GetBytes(digest.ToString()), PutCondition.None, default);

    [Fact]
    public async Task Bucket_of_gateways_alone_has_no_finding()
    {
        var review = await ReviewAsync();
        Assert.Equal((1, 1, 0, 0), (review.Compared, review.All, review.Foreign, review.Skipped));
    }

    [Fact]
    public async Task Manifest_and_tags_of_another_program_are_found()
    {
        var theirs = Digest.Of("theirs"u8);
        await LinkAsync($"revisions/sha256/{theirs.Hex}", theirs);
        await LinkAsync("tags/theirs/current", theirs);
        await LinkAsync("tags/v1/current", _two);
        await LinkAsync("tags/v2/current", _two);
        var review = await ReviewAsync();
        Assert.Equal(
            [$"team/app@{theirs}", "team/app:v1", "team/app:theirs"], review.ForeignExamples.Order(StringComparer.Ordinal).Reverse());
        Assert.Equal(3, review.Foreign);
    }

    [Fact]
    public async Task Link_that_a_gateway_has_not_removed_yet_is_not_foreign()
    {
        // As after a kill between the change and its links.
        await LinkAsync("tags/gone/current", _one);
        Assert.Equal(1, (await ReviewAsync()).Foreign);
        _clock.Advance(TimeSpan.FromSeconds(2));
        var repository = _rig.Volume.Repositories.BuiltIn(VolumeRig.Name);
        await repository.CommitAsync(new([new Operation.RemoveManifest(_one)]), default);
        await _rig.Volume.Logs!.DisposeAsync();
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.DoesNotContain($"team/app@{_one}", (await ReviewAsync()).ForeignExamples);
    }

    [Fact]
    public async Task Tag_that_another_program_moved_is_found_after_a_collection_has_replaced_the_head()
    {
        await LinkAsync("tags/v1/current", _two);
        _clock.Advance(TimeSpan.FromSeconds(2));
        await _rig.Volume.Logs!.Of(_rig.Volume.Pushed(VolumeRig.Name)).FenceAsync(1);
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(["team/app:v1"], (await ReviewAsync()).ForeignExamples);
    }

    [Fact]
    public async Task Earlier_binding_that_a_gateway_has_not_replaced_in_the_layout_yet_is_not_foreign()
    {
        // As after a kill between the change and its links.
        var repository = _rig.Volume.Repositories.BuiltIn(VolumeRig.Name);
        await repository.CommitAsync(new([new Operation.SetLive(TagName.Parse("v1"), _two)]), default);
        await _rig.Volume.Logs!.DisposeAsync();
        await LinkAsync("tags/v1/current", _one);
        _clock.Advance(TimeSpan.FromSeconds(2));
        var head = await _bucket.ReadAsync("gateway/heads/team/app/_head", int.MaxValue, null, default);
        await _bucket.PutAsync("gateway/heads/team/app/_head", head.Bytes, PutCondition.None, default);
        Assert.Empty((await ReviewAsync()).ForeignExamples);
    }

    [Fact]
    public async Task Tags_that_are_too_many_to_be_read_are_counted()
    {
        for (var i = 0; i < 110; i++) await LinkAsync($"tags/theirs{i}/current", _one);
        var review = await ReviewAsync();
        Assert.Equal((100, 5, 10), (review.Foreign, review.ForeignExamples.Count, review.NotRead));
    }

    [Fact]
    public async Task Repository_without_a_log_is_reported_once_the_bucket_was_adopted()
    {
        // Of no gateway: one would adopt it at its next poll.
        var bucket = new MemoryBucket();
        await bucket.PutAsync(
            "docker/registry/v2/repositories/a/b/_manifests/tags/v1/current/link", Encoding.ASCII.GetBytes($"{_one}"),
            PutCondition.None, default);
        Assert.Empty((await ReviewAsync(bucket)).Unadopted);
        await bucket.PutAsync("gateway/adopted", "1"u8.ToArray(), PutCondition.None, default);
        Assert.Equal(["a/b"], (await ReviewAsync(bucket)).Unadopted);
    }

    [Fact]
    public async Task Repository_without_links_or_with_a_log_that_is_newer_than_the_list_is_not_reported()
    {
        await _bucket.PutAsync("gateway/adopted", "1"u8.ToArray(), PutCondition.None, default);
        await _bucket.PutAsync("docker/registry/v2/repositories/a/b/_uploads/1/startedat", default, PutCondition.None, default);
        Assert.Empty((await ReviewAsync()).Unadopted);
        var bucket = new FaultyBucket(
            _bucket, call => call is { Verb: BucketVerb.List, Key: "gateway/heads/" } ? Fault.StaleList : Fault.None);
        var review = await BucketReview.RunAsync(bucket, "", TimeSpan.FromSeconds(10), TimeProvider.System, default);
        Assert.Equal(0, review.All);
        Assert.Empty(review.Unadopted);
    }
}
