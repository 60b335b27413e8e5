using System.Security.Cryptography;
using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

/// <summary>Repositories whose links are not all as distribution writes them.</summary>
public sealed class AdoptionTests : IAsyncLifetime
{
    private const string Folder = "docker/registry/v2/repositories/team/app";

    private readonly MemoryBucket _bucket = new();
    private VolumeRig? _rig;

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        if (_rig is not null) await _rig.DisposeAsync();
    }

    private async Task<IBacking> AdoptAsync(IBucket? bucket = null)
    {
        _rig = await SharedRig.OpenAsync(bucket ?? _bucket);
        return _rig.Volume.Repositories.BuiltIn(VolumeRig.Name);
    }

    private async Task PutAsync(string key, byte[] bytes) => await _bucket.PutAsync(key, bytes, PutCondition.None, default);

    private Task PutAsync(string key, string text) => PutAsync(key, Encoding.ASCII.GetBytes(text));

    private static string Data(Digest digest) =>
        $"docker/registry/v2/blobs/{digest.AlgorithmName}/{digest.Hex[..2]}/{digest.Hex}/data";

    /// <summary>An image under a tag, as distribution stores it.</summary>
    private async Task<Digest> ImageAsync(string tag)
    {
        var config = Encoding.UTF8.GetBytes($"config of {tag}");
        var manifest = VolumeRig.ManifestOf(Digest.Of(config), config.Length);
        var digest = Digest.Of(manifest);
        await PutAsync(Data(Digest.Of(config)), config);
        await PutAsync(Data(digest), manifest);
        await PutAsync($"{Folder}/_layers/sha256/{Digest.Of(config).Hex}/link", Digest.Of(config).ToString());
        await PutAsync($"{Folder}/_manifests/revisions/sha256/{digest.Hex}/link", digest.ToString());
        await PutAsync($"{Folder}/_manifests/tags/{tag}/current/link", digest.ToString());
        return digest;
    }

    [Fact]
    public async Task First_push_to_an_adopted_repository_learns_which_collection_is_running()
    {
        await ImageAsync("old");
        var adopted = await AdoptAsync();
        Assert.False((await VolumeRig.LiveAsync(adopted, "old")).IsEmpty);
        // It has listed the heads before this one was made.
        await PutAsync("gateway/gc/lists/3-list", new CondemnedList([]).ToBytes());
        await PutAsync(
            "gateway/gc/state", new CollectionState(3, "", "", CollectionPhase.Removing, 0, 0, 0, "3-list", "", []).ToBytes());

        await VolumeRig.PushAsync(adopted, "new", "new");

        var head = await new LogObjects(_bucket, "", "team/app", Guid.NewGuid).ReadAsync(null);
        Assert.Equal(3, head.Head!.Fence);
    }

    private async Task<string> ReportAsync() => Encoding.UTF8.GetString(
        (await _bucket.ReadAsync("gateway/skipped/team/app/_skipped", 100_000, null, default)).Bytes.Span);

    [Fact]
    public async Task Objects_that_cannot_be_read_are_reported_and_the_others_are_adopted()
    {
        var good = await ImageAsync("good");
        var replaced = await ImageAsync("replaced");
        await PutAsync(Data(replaced), "other bytes");
        string[] wrong =
        [
            $"{Folder}/_manifests/tags/long/current/link", $"{Folder}/_manifests/tags/text/current/link",
            $"{Folder}/_manifests/revisions/sha256/short/link", $"{Folder}/_layers/md5/abc/link", $"{Folder}/_gateway/offers/v1",
        ];
        foreach (var key in wrong) await PutAsync(key, new string('x', key.Contains("long", StringComparison.Ordinal) ? 5000 : 5));
        var huge = Digest.Of("a manifest"u8);
        await PutAsync($"{Folder}/_manifests/revisions/sha256/{huge.Hex}/link", huge.ToString());
        await PutAsync(Data(huge), new byte[StoredManifest.MaxBytes + 1]);

        var repository = await AdoptAsync();
        Assert.Equal(good, await VolumeRig.LiveAsync(repository, "good"));
        var manifest = Assert.IsType<Result<StoredManifest>.Found>(await repository.ReadManifestAsync(good, default)).Value;
        Assert.Equal("config of good", await VolumeRig.ReadAsync(repository, manifest.Manifest.Blobs.First().Digest));
        var report = await ReportAsync();
        Assert.StartsWith("7 objects of team/app could not be read and were not adopted\n", report, StringComparison.Ordinal);
        Assert.All(
            wrong.Append(Data(huge)).Append(Data(replaced)),
            key => Assert.Contains($"{key}: expected ", report, StringComparison.Ordinal));
        var review = await BucketReview.RunAsync(_bucket, "", TimeSpan.FromSeconds(10), TimeProvider.System, default);
        Assert.Equal((1, "gateway/skipped/team/app/_skipped"), (review.Skipped, Assert.Single(review.SkippedExamples)));
        Assert.Equal(0, review.Foreign);
    }

    [Fact]
    public async Task Whole_repository_leaves_no_report()
    {
        var good = await ImageAsync("good");
        Assert.Equal(good, await VolumeRig.LiveAsync(await AdoptAsync(), "good"));
        Assert.DoesNotContain(_bucket.Keys, key => key.StartsWith("gateway/skipped/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Store_that_does_not_answer_delays_the_adoption_and_nothing_is_skipped()
    {
        var (good, isAway) = (await ImageAsync("good"), true);
        var faulty = new FaultyBucket(
            _bucket,
            call => isAway && call.Key.EndsWith("/tags/good/current/link", StringComparison.Ordinal) ? Fault.Unavailable : Fault.None);
        var repository = await AdoptAsync(faulty);
        Assert.IsType<Result<TagState>.Unavailable>(await repository.ResolveAsync(TagName.Parse("good"), default));
        Assert.DoesNotContain(_bucket.Keys, key => key.StartsWith("gateway/heads/", StringComparison.Ordinal));
        isAway = false;
        await Patience.UntilAsync(
            async () => await VolumeRig.LiveAsync(repository, "good") == good, () => "the repository is adopted after the outage");
    }

    [Fact]
    public async Task Blob_that_distribution_linked_by_sha512_to_bytes_by_sha256_is_adopted_under_its_own_digest()
    {
        await ImageAsync("good");
        var bytes = RandomNumberGenerator.GetBytes(100_000);
        var (stored, alias) = (Digest.Of(bytes), Digest.Of(bytes, DigestAlgorithm.Sha512));
        await PutAsync(Data(stored), bytes);
        await PutAsync($"{Folder}/_layers/sha256/{stored.Hex}/link", stored.ToString());
        await PutAsync($"{Folder}/_layers/sha512/{alias.Hex}/link", stored.ToString());
        var (lost, other) = (Digest.Of("lost"u8, DigestAlgorithm.Sha512), Digest.Of("other"u8, DigestAlgorithm.Sha512));
        await PutAsync($"{Folder}/_layers/sha512/{lost.Hex}/link", Digest.Of("lost"u8).ToString());
        await PutAsync($"{Folder}/_layers/sha512/{other.Hex}/link", stored.ToString());

        var repository = await AdoptAsync();
        foreach (var digest in (Digest[])[stored, alias])
        {
            var opened = await repository.OpenBlobAsync(digest, BlobUse.Whole, default);
            await using var content = Assert.IsType<Result<IContent>.Found>(opened).Value;
            var writer = new MemoryBodyWriter();
            await content.CopyToAsync(writer, 0, null, default);
            Assert.Equal(bytes, writer.ToArray());
        }
        Assert.IsType<Result<IContent>.Absent>(await repository.OpenBlobAsync(lost, BlobUse.Whole, default));
        Assert.IsType<Result<IContent>.Absent>(await repository.OpenBlobAsync(other, BlobUse.Whole, default));
        var report = await ReportAsync();
        Assert.StartsWith("2 objects", report, StringComparison.Ordinal);
        Assert.Contains($"sha512/{lost.Hex}/link: expected the bytes of sha256:", report, StringComparison.Ordinal);
        Assert.Contains($"sha512/{other.Hex}/link: expected the bytes of this digest under sha256:", report, StringComparison.Ordinal);
        Assert.DoesNotContain(Data(other), _bucket.Keys);
        Assert.Equal(0, _bucket.OpenUploads);
    }
}
