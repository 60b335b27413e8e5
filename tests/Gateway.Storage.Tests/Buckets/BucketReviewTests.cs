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

    private Task<BucketReviewed> ReviewAsync() =>
        BucketReview.RunAsync(_bucket, "", TimeSpan.FromSeconds(10), TimeProvider.System, default);

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
}
