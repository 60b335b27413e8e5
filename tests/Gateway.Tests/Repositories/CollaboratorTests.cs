using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>The gate's collaborators, each by itself: what it changes, what it refuses, and what it leaves alone.</summary>
public sealed class CollaboratorTests : IAsyncLifetime
{
    private static readonly Caller Deleter = new("ci", AccessActions.Pull | AccessActions.Push | AccessActions.Delete);
    private static readonly Caller Admin = Deleter with { Rights = Deleter.Rights | AccessActions.Admin };

    private CollaboratorRig _rig = null!;

    private Removal Removal => new(_rig.Backing, _rig.Evaluator);

    private PushQuota Quota => new(_rig.Backing, _rig.Evaluator);

    private RepositorySweep Sweep => new(_rig.Backing, _rig.Evaluator);

    private PolicyDryRun DryRun => new(_rig.Backing, _rig.Evaluator);

    private EvidenceReview Review => new(_rig.Backing, _rig.Evaluator);

    public async ValueTask InitializeAsync() => _rig = await CollaboratorRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private async Task<Digest> PushAsync(string? tag, string text, bool signed = false)
    {
        var (digest, answer) = await _rig.Gate.PushAsync(tag, text);
        Assert.IsType<Answer<PushedManifest>.Found>(answer);
        if (signed) Assert.IsType<Answer<PushedManifest>.Found>(await _rig.Gate.SignAsync(digest));
        return digest;
    }

    private async Task<Digest> SignatureOfAsync(Digest digest) =>
        ((Result<IReadOnlyList<Digest>>.Found)await _rig.Backing.EvidenceAsync(digest, default)).Value.Single();

    [Fact]
    public async Task Removal_by_tag_ends_the_held_push_and_leaves_the_manifest()
    {
        var digest = await PushAsync("v1", "one");
        Assert.Single(_rig.Backing.HeldPushes());

        Assert.IsType<Answer<Digest>.Found>(await Removal.DeleteManifestAsync(Deleter, new(TagName.Parse("v1")), default));

        Assert.Empty(_rig.Backing.HeldPushes());
        Assert.True(await _rig.HasAsync(digest));
        Assert.IsType<Answer<Digest>.Absent>(await Removal.DeleteManifestAsync(Deleter, new(TagName.Parse("v1")), default));
    }

    [Fact]
    public async Task Removal_refuses_evidence_in_use_to_all_but_administrators_and_forgets_the_verdict()
    {
        var digest = await PushAsync("v1", "one", signed: true);
        Assert.Equal(digest.ToString(), await _rig.Gate.SeenAsync(HoldRig.Puller, "v1"));
        var signature = await SignatureOfAsync(digest);

        var refused = Assert.IsType<Answer<Digest>.Refused>(await Removal.DeleteManifestAsync(Deleter, new(signature), default));
        Assert.Equal("EVIDENCE_IN_USE", refused.Decision.Verdict.Reasons[0].Code);
        Assert.True(await _rig.HasAsync(signature));

        Assert.IsType<Answer<Digest>.Found>(await Removal.DeleteManifestAsync(Admin, new(signature), default));
        Assert.False(await _rig.HasAsync(signature));
        Assert.Equal("Hidden", await _rig.Gate.SeenAsync(HoldRig.Puller, digest.ToString()));
    }

    [Fact]
    public async Task Removal_of_a_blob_that_is_not_there_is_absent()
    {
        Assert.IsType<Answer<Digest>.Absent>(await Removal.DeleteBlobAsync(Deleter, Digest.Of("nothing"u8), default));
        await PushAsync("v1", "one");
        Assert.IsType<Answer<Digest>.Found>(await Removal.DeleteBlobAsync(Deleter, HoldRig.LayerOf("one"), default));
        Assert.IsType<Answer<Digest>.Absent>(await Removal.DeleteBlobAsync(Deleter, HoldRig.LayerOf("one"), default));
    }

    [Theory]
    [InlineData(3, "v9", null)]
    [InlineData(4, "v9", "LIMIT_PENDING")]
    [InlineData(4, "v0", null)]
    public async Task Quota_counts_held_pushes_of_other_tags_up_to_its_limit(int held, string tag, string? expected)
    {
        for (var i = 0; i < held; i++) await PushAsync($"v{i}", $"held {i}");
        var (room, full) = await FindRoomAsync(CollaboratorRig.Unpushed("next"), Outcome.Quarantine, tag);
        Assert.Equal((expected, expected is null), (full?.Reasons[0].Code, room is not null));
    }

    [Fact]
    public async Task Quota_does_not_count_held_pushes_that_have_expired_or_pushes_that_are_admitted()
    {
        for (var i = 0; i < 4; i++) await PushAsync($"v{i}", $"held {i}");
        Assert.Null((await FindRoomAsync(CollaboratorRig.Unpushed("next"), Outcome.Allow, "v9")).Full);
        _rig.Gate.Clock.Advance(_rig.Gate.Policy!.Quarantine.PendingTtl + TimeSpan.FromMinutes(1));
        Assert.Null((await FindRoomAsync(CollaboratorRig.Unpushed("next"), Outcome.Quarantine, "v9")).Full);
    }

    [Theory]
    [InlineData(1, 5, "LIMIT_REFERRERS")]
    [InlineData(5, 1, null)]
    public async Task Quota_limits_manifests_about_one_subject(int perSubject, int orphans, string? expected)
    {
        var digest = await PushAsync("v1", "one", signed: true);
        Limit(perSubject, orphans);
        Assert.Equal(expected, (await FindRoomAsync(CollaboratorRig.Unpushed("next", digest), Outcome.Allow)).Full?.Reasons[0].Code);
    }

    [Fact]
    public async Task Quota_limits_manifests_about_missing_subjects()
    {
        Assert.IsType<Answer<PushedManifest>.Found>(await _rig.Gate.ReferAsync(Digest.Of("missing"u8)));
        Limit(perSubject: 5, orphans: 1);
        var next = CollaboratorRig.Unpushed("next", Digest.Of("missing too"u8));
        Assert.Equal("LIMIT_ORPHANS", (await FindRoomAsync(next, Outcome.Allow)).Full?.Reasons[0].Code);
    }

    [Fact]
    public async Task Sweep_ends_expired_held_pushes_and_removes_only_old_orphaned_evidence()
    {
        var held = await PushAsync("v1", "one");
        var used = await PushAsync("v2", "two", signed: true);
        Assert.IsType<Answer<PushedManifest>.Found>(await _rig.Gate.ReferAsync(Digest.Of("missing"u8)));
        var orphan = await SignatureOfAsync(Digest.Of("missing"u8));

        await Sweep.SweepAsync(default);
        Assert.Single(_rig.Backing.HeldPushes());
        Assert.True(await _rig.HasAsync(orphan));

        _rig.Gate.Clock.Advance(TimeSpan.FromDays(365));
        await Sweep.SweepAsync(default);
        Assert.Empty(_rig.Backing.HeldPushes());
        Assert.False(await _rig.HasAsync(orphan));
        Assert.True(await _rig.HasAsync(await SignatureOfAsync(used)) && await _rig.HasAsync(held));
    }

    [Fact]
    public async Task Dry_run_explains_the_held_push_of_a_tag_and_records_nothing()
    {
        var live = await PushAsync("v1", "one", signed: true);
        var held = await PushAsync("v1", "two");

        var byTag = await DryRun.ExplainAsync(new(TagName.Parse("v1")), Stage.Push, default);
        var byDigest = await DryRun.ExplainAsync(new(live), Stage.Pull, default);

        Assert.Equal((held, live, false), (byTag!.Digest, byTag.Live, byTag.Verdict.Admits));
        Assert.Equal((live, true), (byDigest!.Digest, byDigest.Verdict.Admits));
        Assert.Single(_rig.Backing.HeldPushes());
        Assert.Null(await DryRun.ExplainAsync(new(TagName.Parse("v9")), Stage.Pull, default));
        Assert.Contains("v1", (await DryRun.TagsAsync(default).ToListAsync()).Select(tag => tag.Value));
    }

    [Fact]
    public async Task Review_of_a_trusted_signature_releases_the_held_push_and_of_another_does_not()
    {
        var digest = await PushAsync("v1", "one");
        foreach (var (key, isTrusted) in new[] { (_rig.Gate.WrongKey, false), (_rig.Gate.Key, true) })
        {
            // Its blobs are pushed; the manifest is not yet.
            var (bytes, _) = await HoldRig.SignatureAsync(digest, key, null, _rig.Gate.Repository);
            var evidence = new StoredManifest(Digest.Of(bytes), ManifestReader.Read(bytes, null, ManifestLimits.Plain).Manifest!, bytes);
            var review = await Review.ReviewAsync(evidence, [TagName.Parse($"sha256-{digest.Hex}.sig")], default);
            Assert.Equal(isTrusted ? ["v1"] : [], review.Released.Select(tag => tag.Value));
            Assert.Equal(isTrusted, review.Unsatisfied is null);
            Assert.Equal(isTrusted ? 1 : 0, review.Expectations.Length);
        }
        Assert.Single(_rig.Backing.HeldPushes());
    }

    [Fact]
    public async Task Review_of_a_manifest_without_the_form_of_evidence_changes_nothing()
    {
        var digest = await PushAsync("v1", "one");
        var review = await Review.ReviewAsync(await _rig.ReadAsync(digest), [TagName.Parse($"sha256-{digest.Hex}.sig")], default);
        Assert.Equal((0, 0), (review.Operations.Length, review.Released.Length));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Promotion_copies_an_admitted_image_with_its_evidence_and_no_other(bool isSigned)
    {
        _rig.Gate.Reload(_rig.Gate.Signed(OnMissing.Deny, Stage.Promote, Stage.Pull));
        var source = _rig.Gate.Volume.Pushed(RepositoryName.Parse("stage/app"));
        var stage = _rig.Gate.At("stage/app");
        var (digest, _) = await _rig.Gate.PushAsync("v1", "one", stage);
        if (isSigned) await _rig.Gate.SignAsync(digest, to: stage);
        var told = new List<Digest>();
        var promotion = new Promotion(_rig.Backing, _rig.Evaluator, _rig.Gate.Volume.Content);

        var answer = await promotion.PromoteAsync(
            Deleter, _rig.EvaluatorOf(stage.Name, source), source, source.ReadManifest(digest)!, TagName.Parse("v1"), told.Add, default);

        Assert.Equal(isSigned, answer is Answer<PushedManifest>.Found);
        Assert.Equal(isSigned ? digest : default, _rig.Backing.LiveOf(TagName.Parse("v1")));
        Assert.Equal(isSigned, told.Contains(HoldRig.LayerOf("one")));
        Assert.Equal(isSigned, !_rig.Backing.LiveOf(TagName.Parse($"sha256-{digest.Hex}.sig")).IsEmpty);
    }

    [Fact]
    public async Task Change_on_behalf_of_a_caller_ends_with_the_callers_authorization()
    {
        var digest = await PushAsync("v1", "one", signed: true);
        Operation[] removal = [new Operation.RemoveTag(TagName.Parse("v1"))];
        var ended = Deleter with { Authorization = new Authorization(isValid: false) };
        Assert.IsType<CommitResult.Superseded>(await _rig.Backing.CommitAsync(new Change([.. removal]).By(ended), default));
        Assert.Equal(digest, _rig.Backing.LiveOf(TagName.Parse("v1")));
        var valid = Deleter with { Authorization = new Authorization(isValid: true) };
        Assert.IsType<CommitResult.Committed>(await _rig.Backing.CommitAsync(new Change([.. removal]).By(valid), default));
    }

    [Fact]
    public async Task Write_that_the_volume_or_an_upstream_cannot_take_is_answered_with_the_reason()
    {
        var full = await Changes.WriteAsync<Digest>(() => throw new StoreReadOnlyException("the volume is full"));
        var refused = await Changes.WriteAsync<Digest>(() => throw new NotForwardedException("corp refuses it", ForwardRefusal.Denied));
        Assert.Equal("the volume is full", Assert.IsType<Answer<Digest>.Unavailable>(full).Why);
        Assert.Equal(RegistryErrorCode.DENIED, Assert.IsType<Answer<Digest>.Invalid>(refused).Code);
    }

    private async ValueTask<(Room? Room, Verdict? Full)> FindRoomAsync(StoredManifest manifest, Outcome outcome, string? tag = null)
    {
        ImmutableArray<TagName> tags = tag is null ? [] : [TagName.Parse(tag)];
        var verdict = new Verdict(outcome, _rig.Evaluator.Engine.Revision, []);
        return await Quota.FindRoomAsync(new(verdict, verdict, [.. tags.Select(t => (t, verdict))], []), manifest, tags, default);
    }

    private void Limit(int perSubject, int orphans) => _rig.Gate.Reload(_rig.Gate.Policy! with
    {
        Quarantine = new() { MaxReferrersPerSubject = perSubject, MaxOrphansPerRepo = orphans },
    });

    private sealed class Authorization(bool isValid) : IRequestAuthorization
    {
        public bool IsValid => isValid;

        public void Committed(long sequence)
        {
        }
    }
}
