using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Evidence that admits something cannot be deleted, whatever request tries it.</summary>
public sealed class EvidenceInUseTests : HoldCases
{
    private static readonly Caller Admin = HoldRig.Pusher with { Rights = AccessActions.All | AccessActions.Admin };

    private static readonly Caller Deleter =
        HoldRig.Pusher with { Rights = AccessActions.Pull | AccessActions.Push | AccessActions.Delete };

    private StoredRepository Stored => _rig.Volume.Pushed(_rig.Repository.Name);

    private StoredManifest SignatureOf(Digest digest) => Stored.ReadManifest(EvidenceNotes.List(Stored, digest).Single())!;

    private static void InUse<T>(Answer<T> answer) =>
        Assert.Equal("EVIDENCE_IN_USE", Assert.IsType<Answer<T>.Refused>(answer).Decision.Verdict.Reasons[0].Code);

    /// <summary>Pushes an image by its sha512 digest only, and a signature that names its sha256 digest.</summary>
    private async Task<(Digest Sha512, Digest Signature)> PushSignedBySha512Async()
    {
        var config = await GateRig.PushBlobAsync(_rig.Repository, "config", caller: HoldRig.Pusher);
        var bytes = GateRig.Manifest(config);
        var digest = Digest.Of(bytes, DigestAlgorithm.Sha512);
        Ok(await HoldRig.PutAsync(_rig.Repository, digest.ToString(), bytes));
        var signature = Ok(await _rig.SignAsync(Digest.Of(bytes))).Value.Digest;
        Assert.Equal(digest.ToString(), await PullerSees(digest.ToString()));
        return (digest, signature);
    }

    [Fact]
    public async Task Payload_that_another_referrer_also_names_cannot_be_deleted()
    {
        var digest = await PushSignedAsync("v1", "one");
        var payload = SignatureOf(digest).Manifest.Layers[0];
        foreach (var type in new[] { EvidenceTypes.SimpleSigning, "application/vnd.test.note" })
        {
            var config = await GateRig.PushBlobAsync(_rig.Repository, "{}", type, HoldRig.Pusher);
            var bytes = GateRig.Manifest(config, payload with { MediaType = type }, new(MediaTypes.OciManifest, Digest.Of("other"u8), 1));
            Ok(await HoldRig.PutAsync(_rig.Repository, Digest.Of(bytes).ToString(), bytes));

            InUse(await _rig.Repository.DeleteBlobAsync(Deleter, payload.Digest, default));
        }
        await _rig.RestartAsync(kill: false);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task Signature_and_payload_of_an_image_stored_by_sha512_cannot_be_deleted()
    {
        var (digest, signature) = await PushSignedBySha512Async();
        var payload = Stored.ReadManifest(signature)!.Manifest.Layers[0].Digest;

        InUse(await _rig.Repository.DeleteManifestAsync(Deleter, new(signature), default));
        InUse(await _rig.Repository.DeleteBlobAsync(Deleter, payload, default));

        Assert.Equal(digest.ToString(), await PullerSees(digest.ToString()));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(Admin, new(signature), default));
        Assert.Equal("Hidden", await PullerSees(digest.ToString()));
    }

    [Fact]
    public async Task Signature_of_an_image_stored_by_sha512_is_not_an_orphan()
    {
        var (digest, signature) = await PushSignedBySha512Async();
        _rig.Clock.Advance(TimeSpan.FromDays(30));
        await _rig.Repository.SweepAsync(default);
        Assert.Equal(
            (signature.ToString(), digest.ToString()), (await PusherSees(signature.ToString()), await PullerSees(digest.ToString())));
    }

    [Fact]
    public async Task Payload_that_an_admin_deleted_no_longer_admits_anything()
    {
        var digest = await PushSignedAsync("v1", "one");
        Assert.Equal(digest.ToString(), await PullerSees(digest.ToString()));

        var deleted = await _rig.Repository.DeleteBlobAsync(Admin, SignatureOf(digest).Manifest.Layers[0].Digest, default);

        Assert.IsType<Answer<Digest>.Found>(deleted);
        Assert.Equal(("Hidden", "Hidden"), (await PullerSees("v1"), await PullerSees(digest.ToString())));
    }

    [Fact]
    public async Task Blobs_of_evidence_that_nothing_rests_on_and_of_images_can_be_deleted()
    {
        var digest = await PushSignedAsync("v1", "one");
        var (unsigned, _) = await _rig.PushAsync("v2", "two");
        Ok(await _rig.SignAsync(unsigned, _rig.WrongKey));
        foreach (var blob in new[] { SignatureOf(unsigned).Manifest.Layers[0].Digest, HoldRig.LayerOf("one") })
            Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteBlobAsync(Deleter, blob, default));
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }
}
