using Gateway.Oci;
using Xunit;

namespace Gateway.Storage.Tests;

public sealed class HeldPushTests : IAsyncLifetime
{
    private static readonly TagName Tag = TagName.Parse("v1");
    private static readonly DateTimeOffset Later = DateTimeOffset.FromUnixTimeMilliseconds(4_000_000_000_000);

    private VolumeRig _rig = null!;

    private StoredRepository Repository => _rig.Volume.Pushed(VolumeRig.Name);

    public async ValueTask InitializeAsync() => _rig = await VolumeRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private static Operation.Hold HoldOf(Digest digest) => new(Tag, digest, "ci", Later, "a signature");

    private async Task<long> CommitAsync(params Operation[] operations) =>
        Assert.IsType<CommitResult.Committed>(await Repository.CommitAsync(new([.. operations]), default)).Sequence;

    private HeldPush? Held => Repository.Live(Tag)?.Held;

    private async Task<string[]> TagsAsync() =>
        await Repository.TagsAfterAsync(null, 99, default) is Result<Page<TagName>>.Found { Value: var page }
            ? [.. page.Items.Select(t => t.Value)]
            : [];

    private string OnDisk(string path) => Path.Combine(_rig.Path, "docker/registry/v2/repositories/team/app", path);

    [Fact]
    public async Task Held_push_changes_neither_the_live_tag_nor_files_of_the_distribution_layout()
    {
        var live = await VolumeRig.PushAsync(Repository, "v1", "one");
        var next = await VolumeRig.PushAsync(Repository, "other", "two");
        var sequence = await CommitAsync(HoldOf(next), new Operation.Hold(TagName.Parse("new"), next, "ci", Later, "a signature"));
        Assert.Equal((live, next), (Repository.Live(Tag)!.Live, Held!.Digest));
        Assert.Equal((sequence, "ci", Later, "a signature"), (Held.Sequence, Held.Actor, Held.Expires, Held.Missing));
        Assert.Equal(["other", "v1"], await TagsAsync());
        Assert.False(Directory.Exists(OnDisk("_manifests/tags/new")));
        Assert.Equal(live.ToString(), await File.ReadAllTextAsync(OnDisk("_manifests/tags/v1/current/link")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Held_push_survives_a_stop_and_a_kill_unchanged(bool kill)
    {
        var digest = await VolumeRig.PushAsync(Repository, "other", "one");
        await CommitAsync(HoldOf(digest), new Operation.AddEvidence(digest, Digest.Of("sig"u8)));
        var before = Held;
        await (kill ? _rig.KillAsync() : _rig.RestartAsync());
        Assert.Equal(before! with { PushedAt = default }, Held! with { PushedAt = default });
        Assert.Equal(before.PushedAt, Held.PushedAt, TimeSpan.FromSeconds(1));
        Assert.Contains(Digest.Of("sig"u8), EvidenceNotes.List(Repository, digest));
    }

    [Fact]
    public async Task Replay_restores_held_pushes_on_a_volume_that_lost_every_unflushed_file()
    {
        var one = await VolumeRig.PushAsync(Repository, "other", "one");
        var two = await VolumeRig.PushAsync(Repository, "other2", "two");
        await CommitAsync(HoldOf(one));
        await CommitAsync(new Operation.SetLive(Tag, one), new Operation.EndHold(Tag));
        var last = await CommitAsync(HoldOf(two));
        await _rig.KillAsync(path => Directory.Delete(Path.Combine(path, "docker/registry/v2/repositories/team/app/_gateway"), true));
        Assert.Equal((one, two, last), (Repository.Live(Tag)!.Live, Held!.Digest, Held.Sequence));
    }

    [Fact]
    public async Task Later_held_push_replaces_the_earlier_one_and_withdrawal_leaves_none()
    {
        var one = await VolumeRig.PushAsync(Repository, "a", "one");
        var two = await VolumeRig.PushAsync(Repository, "b", "two");
        var first = await CommitAsync(HoldOf(one));
        var second = await CommitAsync(HoldOf(two));
        Assert.True(second > first);
        Assert.Equal((two, second), (Held!.Digest, Held.Sequence));
        await CommitAsync(new Operation.EndHold(Tag));
        Assert.Null(Repository.Live(Tag));
        await CommitAsync(new Operation.EndHold(Tag));
        Assert.Empty(Repository.HeldPushes());
    }

    [Fact]
    public async Task Change_that_expects_a_replaced_held_push_is_not_made()
    {
        var one = await VolumeRig.PushAsync(Repository, "a", "one");
        var first = await CommitAsync(HoldOf(one));
        var publish = new Change([new Operation.SetLive(Tag, one), new Operation.EndHold(Tag)])
        {
            Expectations = [new(Tag, default) { HeldSequence = first }],
        };
        var both = await Task.WhenAll(
            Repository.CommitAsync(new([HoldOf(one)]), default).AsTask(), Repository.CommitAsync(publish, default).AsTask());
        Assert.IsType<CommitResult.TagMoved>(both[1]);
        Assert.True((await VolumeRig.LiveAsync(Repository, "v1")).IsEmpty);
        Assert.IsType<CommitResult.Committed>(await Repository.CommitAsync(
            publish with { Expectations = [new(Tag, default) { HeldSequence = Held!.Sequence }] }, default));
        Assert.Equal(one, await VolumeRig.LiveAsync(Repository, "v1"));
    }

    [Fact]
    public async Task Verdict_evaluated_before_new_evidence_is_not_committed()
    {
        var subject = await VolumeRig.PushAsync(Repository, "a", "one");
        var change = new Change([new Operation.SetVerdict(subject, new(1, 2, 0))])
        {
            Subjects = [(subject, Repository.VersionOf(subject))],
        };
        // In one batch, and in the next one.
        var both = await Task.WhenAll(
            Repository.CommitAsync(new([new Operation.AddEvidence(subject, Digest.Of("sig"u8))]), default).AsTask(),
            Repository.CommitAsync(change, default).AsTask());
        Assert.Equal(subject, Assert.IsType<CommitResult.Outdated>(both[1]).Subject);
        Assert.IsType<CommitResult.Outdated>(await Repository.CommitAsync(change, default));
        Assert.IsType<CommitResult.Committed>(await Repository.CommitAsync(
            change with { Subjects = [(subject, Repository.VersionOf(subject))] }, default));
    }

    [Fact]
    public async Task Only_held_pushes_and_evidence_raise_a_subjects_version()
    {
        var subject = await VolumeRig.PushAsync(Repository, "a", "one");
        var other = Repository.VersionOf(Digest.Of("other"u8));
        var version = Repository.VersionOf(subject);
        Operation[] raising =
        [
            new Operation.AddEvidence(subject, Digest.Of("sig"u8)), HoldOf(subject), new Operation.SetVerdict(subject, default),
            new Operation.AddReferrer(subject, new(MediaTypes.OciManifest, Digest.Of("r"u8), 1)),
        ];
        foreach (var operation in raising)
        {
            await CommitAsync(operation);
            Assert.True(Repository.VersionOf(subject) > version, operation.ToString());
            version = Repository.VersionOf(subject);
        }
        await CommitAsync(new Operation.SetVerdict(subject, new(1, 1, 0)), new Operation.SetLive(Tag, subject));
        Assert.Equal((version, other), (Repository.VersionOf(subject), Repository.VersionOf(Digest.Of("other"u8))));
    }

    [Fact]
    public void Forgotten_version_counts_as_changed()
    {
        var versions = new SubjectVersions();
        for (var i = 1; i <= 5000; i++) versions.Raise(Digest.Of(BitConverter.GetBytes(i)), i);
        Assert.True(versions.Of(Digest.Of(BitConverter.GetBytes(1))) >= 1);
        Assert.Equal(5000, versions.Of(Digest.Of(BitConverter.GetBytes(5000))));
        Assert.Equal(5000, versions.Latest);
    }

    [Fact]
    public async Task Evidence_pushed_under_a_tag_stays_evidence_when_the_tag_moves()
    {
        var subject = await VolumeRig.PushAsync(Repository, "v1", "one");
        var tag = $"sha256-{subject.Hex}.sig";
        var good = await VolumeRig.PushAsync(Repository, tag, "good");
        await CommitAsync(new Operation.AddEvidence(subject, good));
        var junk = await VolumeRig.PushAsync(Repository, tag, "junk");
        await CommitAsync(new Operation.AddEvidence(subject, junk));
        var listed = Assert.IsType<Result<IReadOnlyList<Digest>>.Found>(await Repository.EvidenceAsync(subject, default)).Value;
        Assert.Equal(new[] { good, junk }.Order(), listed.Order());
        Assert.Equal([subject], Repository.SubjectsOf(good));
        await CommitAsync(new Operation.RemoveManifest(good));
        Assert.Equal([junk], EvidenceNotes.List(Repository, subject));
    }

    [Fact]
    public async Task Evidence_tagged_by_another_registry_on_the_volume_is_found()
    {
        var subject = await VolumeRig.PushAsync(Repository, "v1", "one");
        var tagged = await VolumeRig.PushAsync(Repository, $"sha256-{subject.Hex}.att", "att");
        var refers = await VolumeRig.PushAsync(Repository, "ref", "ref", new(MediaTypes.OciManifest, subject, 1));
        Assert.Equal(new[] { tagged, refers }.Order(), EvidenceNotes.List(Repository, subject).Order());
        Assert.Equal([subject], Repository.SubjectsOf(tagged));
        Assert.Equal([subject], Repository.SubjectsOf(refers));
    }

    [Theory]
    [InlineData("sha256-{0}.sig", true)]
    [InlineData("sha256-{0}.att", true)]
    [InlineData("sha256-{0}", true)]
    [InlineData("sha256-{0}.sig.sig", false)]
    [InlineData("SHA256-{0}.sig", false)]
    [InlineData("sha256-{0}0.sig", false)]
    [InlineData("v1.sig", false)]
    public void Tag_means_a_subject_only_in_its_exact_form(string form, bool means)
    {
        var subject = Digest.Of("one"u8);
        var tag = TagName.Parse(form.Replace("{0}", subject.Hex.ToString(), StringComparison.Ordinal));
        Assert.Equal(means ? subject : default, EvidenceNotes.SubjectOf(tag, Digest.Of("two"u8)));
    }

    [Fact]
    public void Manifest_under_its_own_digests_bare_tag_is_not_evidence_about_itself()
    {
        var digest = Digest.Of("one"u8);
        Assert.Equal(default, EvidenceNotes.SubjectOf(TagName.Parse($"sha256-{digest.Hex}"), digest));
    }

    [Fact]
    public async Task Removed_manifest_loses_its_held_pushes_and_concurrently_bound_tags_also_after_replay()
    {
        var digest = await VolumeRig.PushAsync(Repository, "a", "one");
        await _rig.RestartAsync();
        var late = TagName.Parse("late");
        var done = await Task.WhenAll(
            Repository.CommitAsync(new([new Operation.SetLive(late, digest), HoldOf(digest)]), default).AsTask(),
            Repository.CommitAsync(new([new Operation.RemoveManifest(digest)]), default).AsTask());
        Assert.All(done, each => Assert.IsType<CommitResult.Committed>(each));
        Assert.Equal((0, 0), ((await TagsAsync()).Length, Repository.HeldPushes().Count));
        // The files that the changes had written are lost; only the journal has the changes.
        var removal = Journal.Read(Path.Combine(_rig.Path, "gateway/journal")).Last().Operations;
        Assert.Contains(new Operation.RemoveTag(late), removal);
        Assert.Contains(new Operation.RemoveTag(TagName.Parse("a")), removal);
        Assert.Contains(new Operation.EndHold(Tag), removal);
        await _rig.KillAsync();
        Assert.Equal((0, 0), ((await TagsAsync()).Length, Repository.HeldPushes().Count));
    }

    [Fact]
    public async Task First_seen_time_is_kept_after_later_notes_torn_lines_and_kills()
    {
        var digest = Digest.Of("m"u8);
        var first = DateTimeOffset.FromUnixTimeMilliseconds(1_000_000_000_000);
        await CommitAsync(new Operation.Seen(digest, first));
        await CommitAsync(new Operation.Seen(digest, first.AddDays(9)));
        Assert.Equal(first, Repository.FirstSeen(digest));
        await _rig.KillAsync(path => File.AppendAllText(
            Path.Combine(path, "docker/registry/v2/repositories/team/app/_gateway/seen"), $"{Digest.Of("torn"u8)} 12"));
        Assert.Equal(first, Repository.FirstSeen(digest));
        Assert.Null(Repository.FirstSeen(Digest.Of("torn"u8)));
        await CommitAsync(new Operation.Seen(Digest.Of("next"u8), first.AddDays(1)));
        await _rig.KillAsync();
        Assert.Equal(first.AddDays(1), Repository.FirstSeen(Digest.Of("next"u8)));
        Assert.NotNull(Repository.FirstSeen(await VolumeRig.PushAsync(Repository, "v1", "one")));
    }

    [Fact]
    public async Task Change_that_cannot_be_applied_blocks_only_its_repository_until_it_can()
    {
        var other = _rig.Volume.Pushed(RepositoryName.Parse("other/app"));
        await VolumeRig.PushAsync(Repository, "a", "one");
        // A file instead of the folder.
        Directory.CreateDirectory(OnDisk("_gateway"));
        await File.WriteAllTextAsync(OnDisk("_gateway/offers"), "in the way");
        await Assert.ThrowsAsync<StoreReadOnlyException>(() => CommitAsync(HoldOf(Digest.Of("x"u8))));
        await VolumeRig.PushAsync(other, "v1", "two");
        await Assert.ThrowsAsync<StoreReadOnlyException>(() => CommitAsync(new Operation.RemoveTag(TagName.Parse("a"))));
        File.Delete(OnDisk("_gateway/offers"));
        await VolumeRig.PushAsync(other, "v2", "three");
        Assert.Equal(Digest.Of("x"u8), Held!.Digest);
        await CommitAsync(new Operation.RemoveTag(TagName.Parse("a")));
    }

    [Fact]
    public async Task Cached_tag_has_its_history_latest_first()
    {
        var cached = _rig.Volume.Cached("docker.io", VolumeRig.Name);
        var bound = new List<Digest>();
        for (var i = 0; i < 20; i++) bound.Add(await VolumeRig.PushAsync(cached, "v1", $"{i}"));
        Assert.Equal(bound.AsEnumerable().Reverse().Skip(1).Take(16), cached.HistoryOf(Tag));
        await cached.CommitAsync(new([new Operation.SetLive(Tag, bound[18])]), default);
        Assert.Equal(bound[19], cached.HistoryOf(Tag)[0]);
        Assert.Empty(Repository.HistoryOf(Tag));
    }
}
