using System.Security.Cryptography;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Signatures in another repository than the image (cosign's COSIGN_REPOSITORY).</summary>
public sealed class SignatureRepositoryTests : HoldCases
{
    private static readonly RepositoryName Signatures = RepositoryName.Parse("sigs/all");
    private static readonly Caller Admin = HoldRig.Pusher with { Rights = AccessActions.All | AccessActions.Admin };
    private static readonly Caller Deleter =
        HoldRig.Pusher with { Rights = AccessActions.Pull | AccessActions.Push | AccessActions.Delete };

    private Repository _app = null!;
    private Repository _signatures = null!;
    private RepositoryRouter _router = null!;

    /// <summary>One process with one verdict cache.</summary>
    private void Start(Func<PolicyOptions, PolicyOptions>? change = null)
    {
        var policy = _rig.Signed(OnMissing.Quarantine);
        var authority = policy.Trust.Authorities["release"] with { SignatureRepositories = [Signatures] };
        policy = policy with { Trust = policy.Trust with { Authorities = policy.Trust.Authorities.SetItem("release", authority) } };
        _rig.Reload(change is null ? policy : change(policy));
        _router = _rig.Router();
        (_app, _signatures) = (_router.Route(RepositoryName.Parse("prod/app")).Repository!, _router.Route(Signatures).Repository!);
    }

    private async Task<string> SeenAsync(string reference, Caller? by = null, Repository? at = null) =>
        await (at ?? _app).GetManifestAsync(
            by ?? HoldRig.Puller, Digest.TryParse(reference, out var digest) ? new(digest) : new(TagName.Parse(reference)), default)
            is var answer && answer is Answer<StoredManifest>.Found found
            ? found.Value.Digest.ToString()
            : answer.GetType().Name;

    private async Task<bool> SeesLayerAsync(string text)
    {
        var answer = await _app.OpenBlobAsync(HoldRig.Puller, HoldRig.LayerOf(text), BlobUse.Whole, default);
        if (answer is not Answer<IContent>.Found found) return false;
        await found.Value.DisposeAsync();
        return true;
    }

    private async Task<Digest> SignedThereAsync(Digest image, ECDsa? key = null, bool isReferrer = false) =>
        Ok(await HoldRig.SignAsync(
            image, key ?? _rig.Key, isReferrer ? null : $"sha256-{image.Hex}.sig", isReferrer ? image : null, _signatures)).Value.Digest;

    private static void InUse<T>(Answer<T> answer) =>
        Assert.Equal("EVIDENCE_IN_USE", Assert.IsType<Answer<T>.Refused>(answer).Decision.Verdict.Reasons[0].Code);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Held_tag_is_released_on_the_next_pull_after_its_signature_is_pushed_there(bool isReferrer)
    {
        Start();
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        Assert.Equal("Hidden", await SeenAsync("v1"));
        Assert.False(await SeesLayerAsync("one"));

        await SignedThereAsync(image, isReferrer: isReferrer);

        Assert.Equal(image.ToString(), await SeenAsync("v1"));
        Assert.Equal(image.ToString(), await SeenAsync(image.ToString()));
        Assert.True(await SeesLayerAsync("one"));
    }

    [Fact]
    public async Task Image_whose_signature_is_there_already_is_live_at_its_push()
    {
        Start();
        var (image, _) = await _rig.PushAsync(null, "one", _app);
        await SignedThereAsync(image);

        var (_, answer) = await _rig.PushAsync("v1", "one", _app);

        Assert.Equal(TagStanding.Live, Ok(answer).Standing);
        Assert.Equal(image.ToString(), await SeenAsync("v1"));
    }

    [Theory]
    [InlineData("manifest")]
    [InlineData("payload")]
    [InlineData("subject noted before")]
    public async Task Image_is_refused_again_after_its_signature_there_is_deleted(string removal)
    {
        Start();
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        var signature = await SignedThereAsync(image, isReferrer: removal == "subject noted before");
        Assert.Equal(image.ToString(), await SeenAsync("v1"));
        Assert.Equal(image.ToString(), await SeenAsync(image.ToString()));
        Assert.True(await SeesLayerAsync("one"));

        var payload = _rig.Volume.Pushed(Signatures).ReadManifest(signature)!.Manifest.Layers[0].Digest;
        Assert.IsType<Answer<Digest>.Found>(removal == "payload"
            ? await _signatures.DeleteBlobAsync(Admin, payload, default)
            : await _signatures.DeleteManifestAsync(Admin, new(signature), default));

        Assert.Equal("Hidden", await SeenAsync("v1"));
        Assert.Equal("Hidden", await SeenAsync(image.ToString()));
        Assert.False(await SeesLayerAsync("one"));
        await _rig.RestartAsync(kill: true);
        Start();
        Assert.Equal("Hidden", await SeenAsync("v1"));
    }

    [Fact]
    public async Task Verdict_does_not_outlive_the_process_however_the_signature_was_removed()
    {
        Start();
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        var signature = await SignedThereAsync(image);
        Assert.Equal(image.ToString(), await SeenAsync("v1"));
        Start();
        Assert.Equal(image.ToString(), await SeenAsync(image.ToString()));

        await _rig.Volume.Pushed(Signatures).CommitAsync(new([new Operation.RemoveManifest(signature)]), default);
        Start();

        Assert.Equal("Hidden", await SeenAsync("v1"));
        Assert.Equal("Hidden", await SeenAsync(image.ToString()));
    }

    [Fact]
    public async Task Evidence_that_another_program_wrote_there_under_a_tag_counts_until_its_manifest_is_removed()
    {
        Start();
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        var (bytes, _) = await HoldRig.SignatureAsync(image, _rig.Key, null, _signatures);
        var tag = TagName.Parse($"sha256-{image.Hex}.sig");
        // Written to the volume as another program does it.
        await _rig.Volume.Pushed(Signatures).CommitAsync(
            new([new Operation.StoreManifest(Digest.Of(bytes), bytes), new Operation.SetLive(tag, Digest.Of(bytes))]), default);
        Assert.Equal(image.ToString(), await SeenAsync("v1"));

        InUse(await _signatures.DeleteManifestAsync(Deleter, new(tag), default));
        await _rig.Volume.Pushed(Signatures).CommitAsync(new([new Operation.RemoveTag(tag)]), default);
        // It is noted because it counted.
        Assert.Equal(image.ToString(), await SeenAsync("v1"));
        await _rig.Volume.Pushed(Signatures).CommitAsync(new([new Operation.RemoveManifest(Digest.Of(bytes))]), default);
        Assert.Equal("Hidden", await SeenAsync("v1"));
    }

    [Fact]
    public async Task Evidence_in_the_images_own_repository_is_hidden_again_with_the_image()
    {
        Start();
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        var signature = await SignedThereAsync(image);
        var said = Ok(await HoldRig.SignAsync(image, _rig.WrongKey, null, image, _app)).Value.Digest;
        Assert.Equal(said.ToString(), await SeenAsync(said.ToString()));
        Assert.Equal(said.ToString(), await SeenAsync(said.ToString()));

        Assert.IsType<Answer<Digest>.Found>(await _signatures.DeleteManifestAsync(Admin, new(signature), default));

        Assert.Equal("Hidden", await SeenAsync(said.ToString()));
    }

    [Fact]
    public async Task Evidence_its_tag_and_its_payload_there_are_deleted_only_by_admins()
    {
        Start();
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        var signature = await SignedThereAsync(image);
        var payload = _rig.Volume.Pushed(Signatures).ReadManifest(signature)!.Manifest.Layers[0].Digest;

        InUse(await _signatures.DeleteManifestAsync(Deleter, new(signature), default));
        InUse(await _signatures.DeleteManifestAsync(Deleter, new(TagName.Parse($"sha256-{image.Hex}.sig")), default));
        InUse(await _signatures.DeleteBlobAsync(Deleter, payload, default));

        Assert.Equal(image.ToString(), await SeenAsync("v1"));
        var (other, _) = await _rig.PushAsync("v1", "an image there", _signatures);
        Assert.IsType<Answer<Digest>.Found>(await _signatures.DeleteManifestAsync(Deleter, new(other), default));
    }

    [Fact]
    public async Task Untrusted_pusher_there_admits_nothing_and_hides_no_signature_that_counted()
    {
        Start();
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        await SignedThereAsync(image, _rig.WrongKey);
        Assert.Equal("Hidden", await SeenAsync("v1"));
        await SignedThereAsync(image);
        Assert.Equal(image.ToString(), await SeenAsync("v1"));

        for (var i = 0; i <= EvidenceBudget.MaxManifests; i++)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            await SignedThereAsync(image, key, isReferrer: true);
        }

        Assert.Equal(image.ToString(), await SeenAsync("v1"));
        Start();
        Assert.Equal(image.ToString(), await SeenAsync("v1"));
    }

    [Fact]
    public async Task Flood_there_does_not_hide_a_signature_beside_the_image()
    {
        Start();
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        for (var i = 0; i <= EvidenceBudget.MaxManifests; i++)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            await SignedThereAsync(image, key, isReferrer: true);
        }
        Ok(await _rig.SignAsync(image, to: _app));
        Assert.Equal(image.ToString(), await SeenAsync("v1"));
    }

    [Fact]
    public async Task Signature_there_counts_only_for_authorities_that_name_the_repository()
    {
        Start(policy => policy with
        {
            Trust = policy.Trust with
            {
                Authorities = policy.Trust.Authorities
                    .SetItem("release", policy.Trust.Authorities["release"] with { SignatureRepositories = [] })
                    .Add("other", new("other") { AnyOf = ["release-2026"], SignatureRepositories = [Signatures] }),
            },
        });
        var (image, _) = await _rig.PushAsync("v1", "one", _app);
        await SignedThereAsync(image);
        Assert.Equal("Hidden", await SeenAsync("v1"));

        Ok(await _rig.SignAsync(image, to: _app));
        Assert.Equal(image.ToString(), await SeenAsync("v1"));
    }

    [Fact]
    public async Task Signatures_there_are_not_orphans()
    {
        Start(policy => policy with { Quarantine = policy.Quarantine with { MaxOrphansPerRepo = 1 } });
        var images = Enumerable.Range(0, 3).Select(i => Digest.Of([(byte)i])).ToArray();
        foreach (var image in images) await SignedThereAsync(image);
        Ok(await _rig.SignAsync(images[0], to: _app));
        Assert.IsType<Answer<PushedManifest>.Refused>(await _rig.SignAsync(images[1], to: _app));

        _rig.Clock.Advance(TimeSpan.FromDays(30));
        await _router.SweepAsync(default);

        var kept = _rig.Volume.Pushed(Signatures);
        Assert.All(images, image => Assert.Single(EvidenceNotes.List(kept, image)));
        Assert.Empty(EvidenceNotes.List(_rig.Volume.Pushed(_app.Name), images[0]));
    }

    [Fact]
    public async Task Image_signed_there_is_promoted_and_the_signature_is_not_copied()
    {
        Start();
        var stage = _router.Route(RepositoryName.Parse("stage/app")).Repository!;
        var (image, _) = await _rig.PushAsync("v1", "one", stage);
        Assert.IsType<Answer<PushedManifest>.Refused>(
            await _app.PromoteAsync(HoldRig.Pusher, stage, HoldRig.Pusher, new(image), TagName.Parse("v1"), default));
        var signature = await SignedThereAsync(image);

        Ok(await _app.PromoteAsync(HoldRig.Pusher, stage, HoldRig.Pusher, new(image), TagName.Parse("v1"), default));

        Assert.Equal(image.ToString(), await SeenAsync("v1"));
        Assert.Empty(EvidenceNotes.List(_rig.Volume.Pushed(_app.Name), image));
        Assert.IsType<Answer<Digest>.Found>(await _signatures.DeleteManifestAsync(Admin, new(signature), default));
        Assert.Equal("Hidden", await SeenAsync("v1"));
    }

    [Fact]
    public void Revision_of_the_policy_changes_with_its_signature_repositories()
    {
        Start();
        var with = new PolicyEngine(_rig.Policy).Revision;
        Assert.NotEqual(with, new PolicyEngine(_rig.Signed(OnMissing.Quarantine)).Revision);
        Start(policy => policy with
        {
            Trust = policy.Trust with
            {
                Authorities = policy.Trust.Authorities.SetItem(
                    "release", policy.Trust.Authorities["release"] with { SignatureRepositories = [RepositoryName.Parse("sigs/other")] }),
            },
        });
        Assert.NotEqual(with, new PolicyEngine(_rig.Policy).Revision);
    }
}
