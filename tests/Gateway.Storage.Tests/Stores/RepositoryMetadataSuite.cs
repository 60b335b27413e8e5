using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class PushedMetadataTests : RepositoryMetadataSuite
{
    private protected override IRepositoryMetadata Repository(Volume volume) => volume.Pushed(VolumeRig.Name);
}

public sealed class StagedMetadataTests : RepositoryMetadataSuite
{
    private protected override IRepositoryMetadata Repository(Volume volume) => volume.Staged("docker.io", VolumeRig.Name);
}

/// <summary>A repository whose log is in a bucket; the bytes of its content are in the same bucket.</summary>
public sealed class SharedMetadataTests : RepositoryMetadataSuite
{
    private readonly MemoryBucket _bucket = new();

    private protected override IRepositoryMetadata Repository(Volume volume) => volume.Repositories.BuiltIn(VolumeRig.Name);

    private protected override Task<VolumeRig> OpenAsync() => SharedRig.OpenAsync(_bucket);
}

/// <summary>As <see cref="SharedMetadataTests"/>; every read is made by another replica than the change before it.</summary>
public sealed class SharedMetadataOnAnotherReplicaTests : RepositoryMetadataSuite
{
    private readonly MemoryBucket _bucket = new();
    private VolumeRig? _other;

    private protected override IRepositoryMetadata Repository(Volume volume) => volume.Repositories.BuiltIn(VolumeRig.Name);

    private protected override Task<VolumeRig> OpenAsync() => SharedRig.OpenAsync(_bucket);

    private protected override async Task<IRepositoryMetadata> AfterAsync(string between, VolumeRig rig)
    {
        await base.AfterAsync(between, rig);
        _other ??= await SharedRig.OpenAsync(_bucket);
        var repository = _other.Volume.Repositories.BuiltIn(VolumeRig.Name);
        // The members without a result answer from memory: a request reads a tag first.
        await repository.ResolveAsync(TagName.Parse("none"), default);
        return repository;
    }

    public override async ValueTask DisposeAsync()
    {
        if (_other is not null) await _other.DisposeAsync();
        await base.DisposeAsync();
    }
}

/// <summary>
/// The behavior of every store of metadata that is the only copy. Each test reads what it committed in the same process, after a stop, and
/// after a kill.
/// </summary>
public abstract class RepositoryMetadataSuite : IAsyncLifetime
{
    /// <summary>What happens between a commit and the reading of its result.</summary>
    public static readonly TheoryData<string> Between = ["nothing", "stop", "kill"];

    private static readonly TagName V1 = TagName.Parse("v1");
    private static readonly byte[] One = VolumeRig.ManifestOf(Digest.Of("one"u8), 3);
    private static readonly byte[] Two = VolumeRig.ManifestOf(Digest.Of("two"u8), 3);

    private VolumeRig _rig = null!;
    private IRepositoryMetadata _metadata = null!;

    private protected abstract IRepositoryMetadata Repository(Volume volume);

    private protected virtual Task<VolumeRig> OpenAsync() => VolumeRig.OpenAsync();

    public async ValueTask InitializeAsync() => _metadata = Repository((_rig = await OpenAsync()).Volume);

    public virtual async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private async Task AfterAsync(string between) => _metadata = await AfterAsync(between, _rig);

    private protected virtual async Task<IRepositoryMetadata> AfterAsync(string between, VolumeRig rig)
    {
        if (between == "stop") await rig.RestartAsync();
        if (between == "kill") await rig.KillAsync();
        return Repository(rig.Volume);
    }

    private async Task<CommitResult> CommitAsync(params Operation[] operations) =>
        await _metadata.CommitAsync(new([.. operations]), default);

    private Task<CommitResult> StoreAsync(byte[] manifest, TagName? tag = null) => CommitAsync(
        tag is { } bound
            ? [new Operation.StoreManifest(Digest.Of(manifest), manifest), new Operation.SetLive(bound, Digest.Of(manifest))]
            : [new Operation.StoreManifest(Digest.Of(manifest), manifest)]);

    [Theory]
    [MemberData(nameof(Between))]
    public async Task Committed_tag_and_link_are_read(string between)
    {
        Assert.IsType<CommitResult.Committed>(await StoreAsync(One, V1));
        await AfterAsync(between);
        Assert.Equal(Digest.Of(One), _metadata.LiveOf(V1));
        Assert.Equal(One.Length, (await _metadata.ReadLinkAsync(Digest.Of(One), LinkKind.Manifest, default))!.Value.Size);
        Assert.Equal([Digest.Of(One)], await _metadata.ManifestsAsync().ToArrayAsync());
        Assert.Equal([V1], await _metadata.TagsOfAsync(Digest.Of(One)).ToArrayAsync());
        Assert.NotNull(await _metadata.FirstSeenAsync(Digest.Of(One)));
    }

    [Theory]
    [MemberData(nameof(Between))]
    public async Task Change_with_a_failed_expectation_leaves_nothing(string between)
    {
        await StoreAsync(One, V1);
        var change = new Change([new Operation.StoreManifest(Digest.Of(Two), Two), new Operation.SetLive(V1, Digest.Of(Two))])
        {
            Expectations = [new(V1, default)],
        };
        Assert.Equal(Digest.Of(One), Assert.IsType<CommitResult.TagMoved>(await _metadata.CommitAsync(change, default)).Now);
        await AfterAsync(between);
        Assert.Equal(Digest.Of(One), _metadata.LiveOf(V1));
        Assert.Null(await _metadata.ReadLinkAsync(Digest.Of(Two), LinkKind.Manifest, default));
        Assert.IsType<CommitResult.Committed>(await _metadata.CommitAsync(
            change with { Expectations = [new(V1, Digest.Of(One))] }, default));
    }

    [Theory]
    [MemberData(nameof(Between))]
    public async Task Held_push_is_listed_until_it_ends(string between)
    {
        await StoreAsync(One, V1);
        await StoreAsync(Two);
        var expires = DateTimeOffset.FromUnixTimeSeconds(4_000_000_000);
        var held = Assert.IsType<CommitResult.Committed>(
            await CommitAsync(new Operation.Hold(V1, Digest.Of(Two), "ci", expires, "a signature")));
        await AfterAsync(between);
        var push = Assert.Single(_metadata.HeldPushes());
        Assert.Equal((V1, Digest.Of(Two), "ci", expires, held.Sequence), (push.Tag, push.Digest, push.Actor, push.Expires, push.Sequence));
        Assert.Equal(Digest.Of(One), _metadata.LiveOf(V1));
        var release = new Change([new Operation.EndHold(V1), new Operation.SetLive(V1, Digest.Of(Two))])
        {
            Expectations = [new(V1, Digest.Of(One)) { HeldSequence = held.Sequence + 1 }],
        };
        Assert.IsType<CommitResult.TagMoved>(await _metadata.CommitAsync(release, default));
        Assert.IsType<CommitResult.Committed>(await _metadata.CommitAsync(
            release with { Expectations = [new(V1, Digest.Of(One)) { HeldSequence = held.Sequence }] }, default));
        await AfterAsync(between);
        Assert.Empty(_metadata.HeldPushes());
        Assert.Equal(Digest.Of(Two), _metadata.LiveOf(V1));
    }

    [Theory]
    [MemberData(nameof(Between))]
    public async Task Referrer_and_evidence_are_read_and_their_subject_is_outdated(string between)
    {
        await StoreAsync(One, V1);
        var (subject, version) = (Digest.Of(One), _metadata.VersionOf(Digest.Of(One)));
        var signature = VolumeRig.ManifestOf(Digest.Of("sig"u8), 3, new(MediaTypes.OciManifest, subject, One.Length));
        await CommitAsync(
            new Operation.StoreManifest(Digest.Of(signature), signature),
            new Operation.AddReferrer(subject, new(MediaTypes.OciManifest, Digest.Of(signature), signature.Length)),
            new Operation.AddEvidence(subject, Digest.Of(Two)));
        var late = new Change([new Operation.SetLive(V1, subject)]) { Subjects = [(subject, version)] };
        Assert.Equal(subject, Assert.IsType<CommitResult.Outdated>(await _metadata.CommitAsync(late, default)).Subject);
        await AfterAsync(between);
        var referrers = Assert.IsType<Result<IReadOnlyList<Descriptor>>.Found>(await _metadata.ReferrersAsync(subject, default));
        Assert.Equal([Digest.Of(signature)], referrers.Value.Select(d => d.Digest));
        var evidence = Assert.IsType<Result<IReadOnlyList<Digest>>.Found>(await _metadata.EvidenceAsync(subject, default));
        Assert.Equal(new[] { Digest.Of(signature), Digest.Of(Two) }.Order(), evidence.Value.Order());
        Assert.Contains(subject, await _metadata.SubjectsOfAsync(Digest.Of(signature)));
    }

    [Theory]
    [MemberData(nameof(Between))]
    public async Task Removed_manifest_takes_its_tags_with_it(string between)
    {
        await StoreAsync(One, V1);
        await StoreAsync(Two, TagName.Parse("v2"));
        await CommitAsync(new Operation.RemoveManifest(Digest.Of(One)));
        await AfterAsync(between);
        Assert.True(_metadata.LiveOf(V1).IsEmpty);
        Assert.Null(await _metadata.ReadLinkAsync(Digest.Of(One), LinkKind.Manifest, default));
        var page = Assert.IsType<Result<Page<TagName>>.Found>(await _metadata.TagsAfterAsync(null, 9, default));
        Assert.Equal(["v2"], page.Value.Items.Select(t => t.Value));
        var needs = new Change([new Operation.SetLive(V1, Digest.Of(One))]) { Needs = [(LinkKind.Manifest, Digest.Of(One))] };
        Assert.IsType<CommitResult.Missing>(await _metadata.CommitAsync(needs, default));
    }

    [Fact]
    public async Task Room_that_another_change_used_refuses_the_change()
    {
        var at = _metadata.Additions;
        var change = new Change([new Operation.StoreManifest(Digest.Of(One), One)]) { Room = new(at, Spare: 0, Adds: 1) };
        Assert.IsType<CommitResult.Committed>(await _metadata.CommitAsync(change, default));
        Assert.IsType<CommitResult.Outdated>(await _metadata.CommitAsync(change, default));
        Assert.Equal(at + 1, _metadata.Additions);
    }

    [Fact]
    public async Task Change_that_is_not_allowed_any_more_is_superseded()
    {
        var change = new Change([new Operation.StoreManifest(Digest.Of(One), One)]) { IsStillAllowed = () => false };
        Assert.IsType<CommitResult.Superseded>(await _metadata.CommitAsync(change, default));
        Assert.Empty(await _metadata.ManifestsAsync().ToArrayAsync());
    }
}
