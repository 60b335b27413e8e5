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

/// <summary>A repository whose bytes are in a bucket.</summary>
public sealed class ObjectBackedRepositoryTests : BackingSuite
{
    private readonly MemoryBucket _bucket = new();

    private protected override StoredRepository Repository(Volume volume) => volume.Pushed(VolumeRig.Name);

    private protected override Task<VolumeRig> OpenRigAsync() => VolumeRig.OpenAsync(
        openPushed: copies => new BucketContents(_bucket, "", copies, TimeProvider.System, partBytes: 2048));
}

/// <summary>The behavior of every stored repository, whatever the lifetime of its root.</summary>
public abstract class BackingSuite : IAsyncLifetime
{
    private VolumeRig _rig = null!;
    private StoredRepository _repository = null!;

    private protected abstract StoredRepository Repository(Volume volume);

    private protected virtual Task<VolumeRig> OpenRigAsync() => VolumeRig.OpenAsync();

    public async ValueTask InitializeAsync()
    {
        _rig = await OpenRigAsync();
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
    public async Task Repository_without_a_push_is_absent()
    {
        Assert.Equal(["absent"], await TagsAsync(null, 10));
        Assert.IsType<Result<TagState>.Absent>(await _repository.ResolveAsync(TagName.Parse("v1"), default));
        Assert.IsType<Result<TaggedManifest>.Absent>(await _repository.ReadTagAsync(TagName.Parse("v1"), isForClient: true, default));
        Assert.IsType<Result<StoredManifest>.Absent>(await _repository.ReadManifestAsync(Digest.Of("x"u8), default));
    }

    [Fact]
    public async Task Tag_is_read_with_its_manifest_unless_a_held_push_waits()
    {
        var tag = TagName.Parse("v1");
        var live = await VolumeRig.PushAsync(_repository, "v1", "one");
        var next = await VolumeRig.PushAsync(_repository, "other", "two");
        Assert.Equal((live, live), await ReadAsync());
        await CommitAsync(new Operation.Hold(tag, next, "ci", DateTimeOffset.UtcNow.AddDays(1), "a signature"));
        Assert.Equal((live, default(Digest)), await ReadAsync());
        await CommitAsync(new Operation.EndHold(tag));
        Assert.Equal((live, live), await ReadAsync());
        await CommitAsync(new Operation.SetLive(tag, next));
        Assert.Equal((next, next), await ReadAsync());

        async Task<(Digest Live, Digest Manifest)> ReadAsync()
        {
            var read = await _repository.ReadTagAsync(tag, isForClient: false, default);
            var (state, manifest) = Assert.IsType<Result<TaggedManifest>.Found>(read).Value;
            return (state.Live, manifest?.Digest ?? default);
        }
    }

    [Fact]
    public async Task Tags_are_paged_bytewise_while_tags_are_added_and_removed()
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
    public async Task Change_with_a_failed_expectation_changes_nothing()
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
    public async Task One_of_many_changes_that_expect_the_same_binding_succeeds()
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
    public async Task Change_that_needs_deleted_content_changes_nothing()
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
    public async Task Deleted_manifest_loses_its_tags_and_its_entry_among_referrers()
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
    public async Task Deleted_blob_is_absent_until_it_is_pushed_again()
    {
        var blob = await VolumeRig.PushBlobAsync(_repository, "one"u8.ToArray());
        await CommitAsync(new Operation.RemoveBlob(blob));
        Assert.Equal("absent", await VolumeRig.ReadAsync(_repository, blob));
        await VolumeRig.PushBlobAsync(_repository, "one"u8.ToArray());
        Assert.Equal("one", await VolumeRig.ReadAsync(_repository, blob));
    }

    [Fact]
    public async Task Fallback_tag_adds_only_referrers_that_name_the_subject_themselves()
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
            new Operation.SetLive(EvidenceTag.BareOf(subject), Digest.Of(index)));
        Assert.Equal([Digest.Of(names)], (await ReferrersAsync(subject)).Select(d => d.Digest));
    }

    [Fact]
    public async Task Verdict_is_read_with_the_manifest_and_removed_with_it()
    {
        var digest = await VolumeRig.PushAsync(_repository, "v1", "one");
        await CommitAsync(new Operation.SetVerdict(digest, new(42, 1, 0)));
        var found = Assert.IsType<Result<StoredManifest>.Found>(await _repository.ReadManifestAsync(digest, default));
        Assert.Equal(new VerdictStamp(42, 1, 0), found.Value.Verdict);
    }

    [Fact]
    public async Task Manifest_too_large_for_a_journal_record_is_stored()
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
