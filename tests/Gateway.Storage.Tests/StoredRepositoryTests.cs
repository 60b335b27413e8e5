using System.Text;
using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class KeptRepositoryTests : BackingSuite
{
    private protected override StoredRepository Repository(Volume volume) => volume.Pushed(VolumeRig.Name);
}

public sealed class CachedRepositoryTests : BackingSuite
{
    private protected override StoredRepository Repository(Volume volume) => volume.Cached("docker.io", VolumeRig.Name);
}

public sealed class StagedRepositoryTests : BackingSuite
{
    private protected override StoredRepository Repository(Volume volume) => volume.Staged("docker.io", VolumeRig.Name);
}

/// <summary>What every stored repository does, whatever the lifetime of its root.</summary>
public abstract class BackingSuite : IAsyncLifetime
{
    private VolumeRig _rig = null!;
    private StoredRepository _repository = null!;

    private protected abstract StoredRepository Repository(Volume volume);

    public async ValueTask InitializeAsync()
    {
        _rig = await VolumeRig.OpenAsync();
        _repository = Repository(_rig.Volume);
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private ValueTask<CommitResult> CommitAsync(params Operation[] operations) => _repository.CommitAsync(new([.. operations]), default);

    private async Task<string[]> TagsAsync(string? last, int count) =>
        await _repository.TagsAfterAsync(last, count, default) is Result<Page<TagName>>.Found { Value: var page }
            ? [.. page.Items.Select(t => t.Value)]
            : ["absent"];

    [Fact]
    public async Task A_repository_that_nobody_pushed_to_is_absent()
    {
        Assert.Equal(["absent"], await TagsAsync(null, 10));
        Assert.IsType<Result<TagState>.Absent>(await _repository.ResolveAsync(TagName.Parse("v1"), default));
        Assert.IsType<Result<StoredManifest>.Absent>(await _repository.ReadManifestAsync(Digest.Of("x"u8), default));
    }

    [Fact]
    public async Task Tags_are_paged_bytewise_while_they_come_and_go()
    {
        foreach (var tag in new[] { "b", "B", "a.1", "a" }) await VolumeRig.PushAsync(_repository, tag, tag);
        Assert.Equal(["B", "a"], await TagsAsync(null, 2));
        Assert.Equal(["a.1", "b"], await TagsAsync("a", 2));
        await VolumeRig.PushAsync(_repository, "aa", "aa");
        await CommitAsync(new Operation.RemoveTag(TagName.Parse("a.1")));
        Assert.Equal(["aa", "b"], await TagsAsync("a", 9));
        Assert.Empty(await TagsAsync("b", 9));
        Assert.Empty(await TagsAsync(null, 0));
    }

    [Fact]
    public async Task A_change_whose_expectation_has_moved_does_nothing_at_all()
    {
        var one = await VolumeRig.PushAsync(_repository, "v1", "one");
        var two = await VolumeRig.PushAsync(_repository, "v2", "two");
        var change = new Change([new Operation.SetLive(TagName.Parse("v3"), two), new Operation.SetLive(TagName.Parse("v1"), two)])
        {
            Expectations = [new(TagName.Parse("v1"), two)],
        };
        var moved = Assert.IsType<CommitResult.TagMoved>(await _repository.CommitAsync(change, default));
        Assert.Equal(one, moved.Now);
        Assert.Equal(one, await VolumeRig.LiveAsync(_repository, "v1"));
        Assert.True((await VolumeRig.LiveAsync(_repository, "v3")).IsEmpty);
    }

    [Fact]
    public async Task Of_many_who_expect_the_same_binding_one_moves_it()
    {
        var one = await VolumeRig.PushAsync(_repository, "v1", "one");
        var changes = Enumerable.Range(0, 50).Select(i => new Change([new Operation.SetLive(TagName.Parse("v1"), Digest.Of([(byte)i]))])
        {
            Expectations = [new(TagName.Parse("v1"), one)],
        });
        var results = await Task.WhenAll(changes.Select(c => _repository.CommitAsync(c, default).AsTask()));
        Assert.Single(results.OfType<CommitResult.Committed>());
    }

    [Fact]
    public async Task A_change_that_needs_what_was_deleted_does_nothing_at_all()
    {
        var blob = await VolumeRig.PushBlobAsync(_repository, "one"u8.ToArray());
        var manifest = VolumeRig.ManifestOf(blob, 3);
        var push = new Change(
            [new Operation.StoreManifest(Digest.Of(manifest), manifest), new Operation.SetLive(TagName.Parse("v1"), Digest.Of(manifest))])
        {
            Needs = [(LinkKind.Blob, blob)],
        };
        var both = await Task.WhenAll(
            CommitAsync(new Operation.RemoveBlob(blob)).AsTask(), _repository.CommitAsync(push, default).AsTask());
        Assert.Equal(blob, Assert.IsType<CommitResult.Missing>(both[1]).Digest);
        Assert.True((await VolumeRig.LiveAsync(_repository, "v1")).IsEmpty);
        await VolumeRig.PushBlobAsync(_repository, "one"u8.ToArray());
        Assert.IsType<CommitResult.Committed>(await _repository.CommitAsync(push, default));
    }

    [Fact]
    public async Task Deleting_a_manifest_takes_its_tags_and_its_place_among_referrers()
    {
        var subject = Digest.Of("subject"u8);
        var digest = await VolumeRig.PushAsync(_repository, "v1", "one", new(MediaTypes.OciManifest, subject, 7));
        await CommitAsync(new Operation.SetLive(TagName.Parse("v2"), digest));
        await VolumeRig.PushAsync(_repository, "stays", "two");
        Assert.Single(await ReferrersAsync(subject));
        await CommitAsync(new Operation.RemoveManifest(digest));
        Assert.Equal(["stays"], await TagsAsync(null, 9));
        Assert.Empty(await ReferrersAsync(subject));
        Assert.IsType<Result<StoredManifest>.Absent>(await _repository.ReadManifestAsync(digest, default));
    }

    [Fact]
    public async Task A_deleted_blob_is_absent_until_it_is_pushed_again()
    {
        var blob = await VolumeRig.PushBlobAsync(_repository, "one"u8.ToArray());
        await CommitAsync(new Operation.RemoveBlob(blob));
        Assert.Equal("absent", await VolumeRig.ReadAsync(_repository, blob));
        await VolumeRig.PushBlobAsync(_repository, "one"u8.ToArray());
        Assert.Equal("one", await VolumeRig.ReadAsync(_repository, blob));
    }

    [Fact]
    public async Task The_fallback_tag_adds_referrers_that_name_the_subject_themselves_and_no_others()
    {
        var subject = await VolumeRig.PushAsync(_repository, "v1", "one");
        var config = await VolumeRig.PushBlobAsync(_repository, "sig"u8.ToArray());
        var names = VolumeRig.ManifestOf(config, 3, new(MediaTypes.OciManifest, subject, 1));
        var stranger = await VolumeRig.PushAsync(_repository, "stranger", "stranger");
        var index = Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[
            {"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{Digest.Of(names)}}","size":{{names.Length}}},
            {"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{stranger}}","size":1}]}
            """);
        await CommitAsync(
            new Operation.StoreManifest(Digest.Of(names), names),
            new Operation.StoreManifest(Digest.Of(index), index),
            new Operation.SetLive(Referrers.FallbackTag(subject), Digest.Of(index)));
        Assert.Equal([Digest.Of(names)], (await ReferrersAsync(subject)).Select(d => d.Digest));
    }

    [Fact]
    public async Task A_verdict_is_read_back_with_the_manifest_and_goes_with_it()
    {
        var digest = await VolumeRig.PushAsync(_repository, "v1", "one");
        await CommitAsync(new Operation.SetVerdict(digest, new(42, 1, 0)));
        var found = Assert.IsType<Result<StoredManifest>.Found>(await _repository.ReadManifestAsync(digest, default));
        Assert.Equal(new VerdictStamp(42, 1, 0), found.Value.Verdict);
    }

    [Fact]
    public async Task A_manifest_too_large_for_a_record_is_kept_all_the_same()
    {
        var bytes = Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[],"annotations":{"long":"{{new string('x', 100_000)}}" } }
            """);
        await CommitAsync(
            new Operation.StoreManifest(Digest.Of(bytes), bytes), new Operation.SetLive(TagName.Parse("v1"), Digest.Of(bytes)));
        await _rig.KillAsync();
        _repository = Repository(_rig.Volume);
        var found = Assert.IsType<Result<StoredManifest>.Found>(await _repository.ReadManifestAsync(Digest.Of(bytes), default));
        Assert.Equal(bytes, found.Value.Bytes.ToArray());
    }

    private async Task<IReadOnlyList<Descriptor>> ReferrersAsync(Digest subject) =>
        Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await _repository.ReferrersAsync(subject, default)).Value;
}
