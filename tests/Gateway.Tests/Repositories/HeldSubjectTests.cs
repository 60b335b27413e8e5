using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Evidence about a held image: only pushers see it in lists, by name or digest, or any of its blobs.</summary>
public sealed class HeldSubjectTests : HoldCases
{
    private static readonly Caller Admin = HoldRig.Pusher with { Rights = AccessActions.All | AccessActions.Admin };

    private StoredRepository Stored => _rig.Volume.Pushed(_rig.Repository.Name);

    /// <summary>Pushes an SBOM about a subject.</summary>
    private async Task<StoredManifest> AttachAsync(Digest subject, string text)
    {
        var config = await GateRig.PushBlobAsync(_rig.Repository, "{}", MediaTypes.OciEmpty, HoldRig.Pusher);
        var layer = await GateRig.PushBlobAsync(_rig.Repository, $$"""{"of":"{{text}}"}""", "application/spdx+json", HoldRig.Pusher);
        var bytes = GateRig.Manifest(config, layer, new(MediaTypes.OciManifest, subject, 1));
        return Stored.ReadManifest(Ok(await HoldRig.PutAsync(_rig.Repository, Digest.Of(bytes).ToString(), bytes)).Value.Digest)!;
    }

    private async Task<string[]> TagsAsync(Caller caller, int count = 100)
    {
        var all = new List<string>();
        for (string? last = null; ;)
        {
            var answer = await _rig.Repository.TagsAsync(caller, last, count, default);
            if (answer is not Answer<Page<TagName>>.Found { Value: var page }) return [.. all];
            all.AddRange(page.Items.Select(t => t.Value));
            if (!page.More) return [.. all];
            last = page.Items[^1].Value;
        }
    }

    private async Task<Digest[]> ReferrersAsync(Caller caller, Digest subject) =>
        [.. ((Answer<ReferrersPage>.Found)await _rig.Repository.ReferrersAsync(caller, subject, null, null, default))
            .Value.Items.Select(d => d.Digest)];

    /// <summary>Asserts that a caller gets all of it, or none of it.</summary>
    private async Task<bool> SeesAsync(Caller caller, StoredManifest manifest, params string[] tags)
    {
        var seen = new List<bool>();
        foreach (var reference in tags.Append(manifest.Digest.ToString()))
            seen.Add(await _rig.SeenAsync(caller, reference) == manifest.Digest.ToString());
        foreach (var blob in manifest.Manifest.Layers) seen.Add(await _rig.SeesBlobAsync(caller, blob.Digest));
        Assert.Single(seen.Distinct());
        return seen[0];
    }

    [Fact]
    public async Task Evidence_about_a_held_image_is_hidden_until_the_image_is_released()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var sig = $"sha256-{digest.Hex}.sig";
        Ok(await _rig.SignAsync(digest, _rig.WrongKey));
        var signature = Stored.ReadManifest(Stored.LiveOf(TagName.Parse(sig)))!;
        var (sbom, about) = (await AttachAsync(digest, "sbom"), await AttachAsync(signature.Digest, "about the signature"));

        Assert.Empty(await TagsAsync(HoldRig.Puller));
        Assert.Empty(await ReferrersAsync(HoldRig.Puller, digest));
        Assert.Empty(await ReferrersAsync(HoldRig.Puller, signature.Digest));
        Assert.Empty(await _rig.CatalogAsync(HoldRig.Puller));
        foreach (var (manifest, tags) in new[] { (signature, new[] { sig }), (sbom, []), (about, []) })
        {
            Assert.False(await SeesAsync(HoldRig.Puller, manifest, tags));
            Assert.True(await SeesAsync(HoldRig.Pusher, manifest, tags));
        }
        Assert.Equal([sig, "v1"], await TagsAsync(HoldRig.Pusher));
        Assert.Contains(sbom.Digest, await ReferrersAsync(HoldRig.Pusher, digest));

        Ok(await _rig.SignAsync(digest));
        Assert.Equal([sig, "v1"], await TagsAsync(HoldRig.Puller));
        Assert.Contains(sbom.Digest, await ReferrersAsync(HoldRig.Puller, digest));
        Assert.Equal(["prod/app"], await _rig.CatalogAsync(HoldRig.Puller));
        foreach (var manifest in new[] { signature, sbom, about }) Assert.True(await SeesAsync(HoldRig.Puller, manifest));
    }

    [Fact]
    public async Task Evidence_is_hidden_with_its_image_also_when_it_was_pushed_before_the_image()
    {
        var early = await AttachAsync(Digest.Of(GateRig.Manifest(await GateRig.PushBlobAsync(_rig.Repository, "late"))), "early");
        Assert.True(await SeesAsync(HoldRig.Puller, early));
        var late = GateRig.Manifest(await GateRig.PushBlobAsync(_rig.Repository, "late"));
        Ok(await HoldRig.PutAsync(_rig.Repository, Digest.Of(late).ToString(), late));
        Assert.False(await SeesAsync(HoldRig.Puller, early));

        var digest = await PushSignedAsync("v1", "one");
        var sbom = await AttachAsync(digest, "sbom");
        Assert.True(await SeesAsync(HoldRig.Puller, sbom));
        var signature = Stored.LiveOf(TagName.Parse($"sha256-{digest.Hex}.sig"));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(Admin, new(signature), default));
        Assert.False(await SeesAsync(HoldRig.Puller, sbom));

        Ok(await _rig.SignAsync(digest));
        Assert.True(await SeesAsync(HoldRig.Puller, sbom));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(Admin, new(digest), default));
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(
            Admin, new(Stored.LiveOf(TagName.Parse($"sha256-{digest.Hex}.sig"))), default));
        Assert.Equal(TagStanding.Pending, Ok((await _rig.PushAsync("v1", "one")).Answer).Standing);
        Assert.False(await SeesAsync(HoldRig.Puller, sbom));
    }

    [Fact]
    public async Task Two_manifests_about_each_other_are_answered()
    {
        var (one, _) = await HoldRig.SignatureAsync(Digest.Of("one"u8), _rig.Key, null, _rig.Repository);
        var (two, _) = await HoldRig.SignatureAsync(Digest.Of("two"u8), _rig.Key, null, _rig.Repository);
        Ok(await HoldRig.PutAsync(_rig.Repository, $"sha256-{Digest.Of(two).Hex}.sig", one));
        Ok(await HoldRig.PutAsync(_rig.Repository, $"sha256-{Digest.Of(one).Hex}.sig", two));
        Assert.Equal("Hidden", await PullerSees(Digest.Of(one).ToString()));
        Assert.Empty(await TagsAsync(HoldRig.Puller));
        Assert.Equal(2, (await TagsAsync(HoldRig.Pusher)).Length);
    }

    [Fact]
    public async Task List_of_tags_continues_after_hidden_tags_for_every_page_size()
    {
        var shown = await PushSignedAsync("v1", "one");
        for (var i = 0; i < 3; i++)
        {
            var (held, _) = await _rig.PushAsync($"w{i}", $"held {i}");
            Ok(await _rig.SignAsync(held, _rig.WrongKey));
        }
        foreach (var count in new[] { 1, 2, 3, 100 })
            Assert.Equal([$"sha256-{shown.Hex}.sig", "v1"], await TagsAsync(HoldRig.Puller, count));
    }

    [Fact]
    public async Task Fallback_index_and_evidence_of_an_image_stored_by_sha512_are_held_too()
    {
        var bytes = GateRig.Manifest(await GateRig.PushBlobAsync(_rig.Repository, "config", caller: HoldRig.Pusher));
        var (sha512, sha256) = (Digest.Of(bytes, DigestAlgorithm.Sha512), Digest.Of(bytes));
        Ok(await HoldRig.PutAsync(_rig.Repository, sha512.ToString(), bytes));
        Ok(await _rig.SignAsync(sha256, _rig.WrongKey));
        var signature = Stored.ReadManifest(Stored.LiveOf(TagName.Parse($"sha256-{sha256.Hex}.sig")))!;
        Assert.False(await SeesAsync(HoldRig.Puller, signature));

        var (digest, _) = await _rig.PushAsync("v1", "one");
        var sbom = await AttachAsync(digest, "sbom");
        var index = GateRig.Index(new Descriptor(MediaTypes.OciManifest, sbom.Digest, sbom.Bytes.Length));
        var put = await HoldRig.PutAsync(_rig.Repository, $"sha256-{digest.Hex}", index, MediaTypes.OciIndex);
        if (put is Answer<PushedManifest>.Found) Assert.Equal("Hidden", await PullerSees($"sha256-{digest.Hex}"));
        Assert.Empty(await TagsAsync(HoldRig.Puller));
    }
}
