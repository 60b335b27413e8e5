using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Evidence about held content: it is stored, and can be deleted only when nothing rests on it.</summary>
public sealed class HeldEvidenceTests : HoldCases
{
    /// <remarks>The copy lists the layer first under a type that contains no signature. Anyone who may push can write it.</remarks>
    [Fact]
    public async Task Evidence_that_lists_a_layer_under_two_types_does_not_hide_the_signature_in_it()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        await _rig.SignAsync(digest, _rig.WrongKey);
        var own = JsonNode.Parse((await HoldRig.SignatureAsync(digest, _rig.Key, null, _rig.Repository)).Manifest)!;
        var other = JsonNode.Parse((await HoldRig.SignatureAsync(digest, _rig.WrongKey, null, _rig.Repository)).Manifest)!;
        var layer = own["layers"]![0]!;
        var tag = $"sha256-{digest.Hex}.sig";
        own["layers"] = new JsonArray(other["layers"]![0]!.DeepClone(), other["layers"]![0]!.DeepClone(), layer.DeepClone());
        own["layers"]![1]!["annotations"]!["org.example"] = "second";
        Assert.Equal(["v1"], Ok(await HoldRig.PutAsync(_rig.Repository, tag, Bytes(own))).Value.Promoted.Select(t => t.Value));
        Assert.Equal(digest.ToString(), await PullerSees("v1"));

        var costume = layer.DeepClone();
        costume["mediaType"] = "text/spdx";
        other["layers"] = new JsonArray(costume, layer.DeepClone());
        Ok(await HoldRig.PutAsync(_rig.Repository, tag, Bytes(other)));
        await _rig.RestartAsync(kill: false);

        Assert.Equal(digest.ToString(), await PullerSees("v1"));

        static byte[] Bytes(JsonNode manifest) => Encoding.UTF8.GetBytes(manifest.ToJsonString());
    }

    /// <remarks>Anyone who may push can write evidence, and some clients take its files (oras pull).</remarks>
    [Fact]
    public async Task Evidence_takes_the_tag_of_a_signed_image_only_when_it_is_signed_itself()
    {
        var live = await PushSignedAsync("v1", "one");
        var (bytes, _) = await HoldRig.SignatureAsync(live, _rig.WrongKey, live, _rig.Repository);
        var evidence = Digest.Of(bytes).ToString();

        Assert.Equal(TagStanding.Pending, Ok(await HoldRig.PutAsync(_rig.Repository, "v1", bytes)).Standing);

        Assert.Equal((live.ToString(), evidence), (await PullerSees("v1"), await PullerSees(evidence)));
        Assert.Equal(["v1"], Ok(await _rig.SignAsync(Digest.Of(bytes))).Value.Promoted.Select(t => t.Value));
        Assert.Equal(evidence, await PullerSees("v1"));
    }

    [Fact]
    public async Task Evidence_is_an_artifact_under_a_tag_of_images_although_no_rule_names_tags_and_pulls_alone_are_evaluated()
    {
        var live = await PushSignedAsync("v1", "one");
        var (bytes, _) = await HoldRig.SignatureAsync(live, _rig.WrongKey, live, _rig.Repository);
        var evidence = Digest.Of(bytes).ToString();
        _rig.Reload(null);
        Ok(await HoldRig.PutAsync(_rig.Repository, "before", bytes));
        _rig.Reload(_rig.Signed(OnMissing.Quarantine, Stage.Pull));

        Assert.Equal(TagStanding.Pending, Ok(await HoldRig.PutAsync(_rig.Repository, "latest", bytes)).Standing);

        Assert.Equal(("Hidden", "Hidden"), (await PullerSees("latest"), await PullerSees("before")));
        Assert.Equal(evidence, await PullerSees(evidence));
        Ok(await _rig.SignAsync(Digest.Of(bytes)));
        Assert.Equal((evidence, evidence), (await PullerSees("latest"), await PullerSees("before")));
    }

    [Fact]
    public async Task Junk_pushed_to_a_signature_tag_does_not_hide_the_signature()
    {
        var digest = await PushSignedAsync("v1", "one");
        Ok(await _rig.SignAsync(digest, _rig.WrongKey));
        _rig.Reload(_rig.Policy! with { Default = Outcome.Deny, Rules = [.. _rig.Policy.Rules] });
        _rig.Reload(_rig.Signed(OnMissing.Quarantine));
        await _rig.RestartAsync(kill: true);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
    }

    [Fact]
    public async Task Flood_of_newer_evidence_does_not_hide_the_signature_that_counted()
    {
        var digest = await PushSignedAsync("v1", "one");
        for (var i = 0; i < 70; i++) Ok(await _rig.ReferAsync(digest, _rig.WrongKey));
        await _rig.RestartAsync(kill: true);
        Assert.Equal((digest.ToString(), digest.ToString()), (await PullerSees("v1"), await PullerSees(digest.ToString())));
    }

    [Fact]
    public async Task Evidence_in_use_cannot_be_deleted_and_other_evidence_can()
    {
        var digest = await PushSignedAsync("v1", "one");
        var junk = Ok(await _rig.SignAsync(digest, _rig.WrongKey)).Value.Digest;
        var stored = _rig.Volume.Pushed(_rig.Repository.Name);
        var good = EvidenceNotes.List(stored, digest).Single(e => e != junk);
        var refused = Assert.IsType<Answer<Digest>.Refused>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(good), default));
        Assert.Equal("EVIDENCE_IN_USE", refused.Decision.Verdict.Reasons[0].Code);
        var payload = stored.ReadManifest(good)!.Manifest.Layers[0].Digest;
        Assert.IsType<Answer<Digest>.Refused>(await _rig.Repository.DeleteBlobAsync(HoldRig.Pusher, payload, default));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(junk), default));
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(digest), default));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(good), default));
        Assert.Equal(TagStanding.Pending, Ok((await _rig.PushAsync("v1", "one")).Answer).Standing);
    }

    [Fact]
    public async Task Admin_deletes_evidence_in_use_and_the_admitted_image_is_hidden_again()
    {
        var digest = await PushSignedAsync("v1", "one");
        var good = EvidenceNotes.List(_rig.Volume.Pushed(_rig.Repository.Name), digest).Single();
        var admin = HoldRig.Pusher with { Rights = HoldRig.Pusher.Rights | Gateway.Configuration.AccessActions.Admin };

        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(admin, new(good), default));

        Assert.Equal("Hidden", await PullerSees(digest.ToString()));
    }

    [Fact]
    public async Task Evidence_whose_evaluation_takes_too_long_is_stored_and_releases_on_the_next_request()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        _rig.Clock.IsLate = true;
        var late = Ok(await _rig.SignAsync(digest));
        _rig.Clock.IsLate = false;
        Assert.Empty(late.Value.Promoted);
        Assert.Contains("evaluates its subject at the next request", late.Handling.Notice, StringComparison.Ordinal);
        Assert.Equal(digest.ToString(), await PullerSees("v1"));
        Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
    }

    [Fact]
    public async Task Orphaned_evidence_and_expired_held_pushes_are_removed()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var young = Ok(await _rig.SignAsync(digest)).Value.Digest;
        var orphan = Ok(await _rig.SignAsync(Digest.Of("never"u8))).Value.Digest;
        var refers = Ok(await _rig.ReferAsync(Digest.Of("never"u8))).Value.Digest;
        await _rig.PushAsync("v2", "two");
        await _rig.Repository.SweepAsync(default);
        Assert.NotEqual("Absent", await PusherSees(orphan.ToString()));
        _rig.Clock.Advance(TimeSpan.FromHours(25));
        await _rig.Repository.SweepAsync(default);
        Assert.Equal(("Absent", "Absent"), (await PusherSees(orphan.ToString()), await PusherSees(refers.ToString())));
        Assert.Equal((young.ToString(), digest.ToString()), (await PusherSees(young.ToString()), await PullerSees("v1")));
        Assert.Empty(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
    }
}
