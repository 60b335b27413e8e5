using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>
/// Limits of the manifests about a subject and about missing subjects, so that a pusher cannot fill a repository with them.
/// </summary>
public sealed class QuotaTests : IAsyncLifetime
{
    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync()
    {
        _rig = await HoldRig.OpenAsync();
        _rig.Reload(_rig.Policy! with { Quarantine = new() { MaxReferrersPerSubject = 3, MaxOrphansPerRepo = 2 } });
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    /// <summary>Pushes a referrer with an artifact type of its own.</summary>
    private async Task<Answer<PushedManifest>> ReferAsync(Digest subject, string text, string configType = "application/vnd.test.note")
    {
        var config = await GateRig.PushBlobAsync(_rig.Repository, text, configType, HoldRig.Pusher);
        var bytes = GateRig.Manifest(config, subject: new(MediaTypes.OciManifest, subject, 1));
        return await HoldRig.PutAsync(_rig.Repository, Digest.Of(bytes).ToString(), bytes);
    }

    private static string CodeOf(Answer<PushedManifest> answer) =>
        answer is Answer<PushedManifest>.Refused refused ? refused.Decision.Verdict.Reasons[0].Code : answer.GetType().Name;

    [Fact]
    public async Task Referrer_beyond_the_limit_of_its_subject_is_refused_by_tag_and_by_subject()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var (other, _) = await _rig.PushAsync("v2", "two");
        for (var i = 0; i < 3; i++) Assert.Equal("Found", CodeOf(await ReferAsync(digest, $"note {i}")));

        var refused = await ReferAsync(digest, "note 3");
        Assert.Equal("LIMIT_REFERRERS", CodeOf(refused));
        Assert.Contains(
            "expected at most 3 manifests about", ((Answer<PushedManifest>.Refused)refused).Decision.Message, StringComparison.Ordinal);
        Assert.Equal("LIMIT_REFERRERS", CodeOf(await _rig.SignAsync(digest, _rig.WrongKey)));
        Assert.Equal("Found", CodeOf(await ReferAsync(digest, "note 2")));
        Assert.Equal("Found", CodeOf(await ReferAsync(other, "note 3")));
    }

    /// <remarks>Otherwise anyone who may push could keep an image from being signed.</remarks>
    [Fact]
    public async Task Signature_that_releases_a_held_push_is_accepted_beyond_the_limit()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        for (var i = 0; i < 3; i++) Assert.Equal("Found", CodeOf(await ReferAsync(digest, $"note {i}")));
        Assert.Equal("LIMIT_REFERRERS", CodeOf(await _rig.ReferAsync(digest, _rig.WrongKey)));

        Assert.Equal("Found", CodeOf(await _rig.ReferAsync(digest)));

        Assert.Equal(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
        Assert.Equal("LIMIT_REFERRERS", CodeOf(await _rig.ReferAsync(digest)));
        await _rig.RestartAsync(kill: true);
        Assert.Equal(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    /// <remarks>Under an ordinary tag a signature needs one itself.</remarks>
    [Fact]
    public async Task Signature_that_releases_a_held_push_exceeds_no_other_limit()
    {
        _rig.Reload(_rig.Policy! with { Quarantine = new() { MaxPendingPerRepo = 2, MaxReferrersPerSubject = 1 } });
        var (digest, _) = await _rig.PushAsync("v1", "one");
        var (signature, _) = await HoldRig.SignatureAsync(digest, _rig.Key, digest, _rig.Repository);
        TagName[] TagsUpTo(int count) => [.. Enumerable.Range(0, count).Select(i => TagName.Parse($"held-{i}"))];
        async Task<Answer<PushedManifest>> PutAsync(int count) => await _rig.Repository.PutManifestAsync(
            HoldRig.Pusher, new(new(Digest.Of(signature)), [.. TagsUpTo(count)], MediaTypes.OciManifest, signature), default);

        Assert.Equal("LIMIT_PENDING", CodeOf(await PutAsync(10)));
        Assert.Equal("Found", CodeOf(await ReferAsync(digest, "note")));
        Assert.Equal("LIMIT_REFERRERS", CodeOf(await PutAsync(1)));

        Assert.Single(_rig.Volume.Pushed(_rig.Repository.Name).HeldPushes());
        Assert.Equal("Found", CodeOf(await PutAsync(0)));
        Assert.Equal(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task Deleting_a_referrer_makes_room_for_a_signature()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        for (var i = 0; i < 3; i++) await ReferAsync(digest, $"note {i}");
        var note = Gateway.Storage.EvidenceNotes.List(_rig.Volume.Pushed(_rig.Repository.Name), digest)[0];
        Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(HoldRig.Pusher, new(note), default));
        Assert.Equal("Found", CodeOf(await _rig.SignAsync(digest)));
        Assert.Equal(digest.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task Referrer_beyond_the_limit_of_orphans_is_refused()
    {
        for (var i = 0; i < 2; i++) Assert.Equal("Found", CodeOf(await ReferAsync(Digest.Of([(byte)i]), $"note {i}")));
        Assert.Equal("LIMIT_ORPHANS", CodeOf(await ReferAsync(Digest.Of("absent"u8), "note 2")));
        Assert.Equal("LIMIT_ORPHANS", CodeOf(await _rig.SignAsync(Digest.Of("absent"u8))));

        var (digest, _) = await _rig.PushAsync("v1", "one");
        Assert.Equal("Found", CodeOf(await _rig.SignAsync(digest)));
    }

    /// <summary>The number of concurrent pushes that were accepted; all others must have been refused because of this limit.</summary>
    private static async Task<int> TakenAsync(string code, IEnumerable<Task<Answer<PushedManifest>>> pushes)
    {
        var codes = (await Task.WhenAll(pushes)).Select(CodeOf).ToArray();
        Assert.All(codes, c => Assert.True(c == "Found" || c == code, c));
        return codes.Count(c => c == "Found");
    }

    [Fact]
    public async Task Concurrent_pushes_do_not_exceed_the_limits_of_held_tags_and_referrers()
    {
        _rig.Reload(_rig.Policy! with
        {
            Quarantine = new() { MaxPendingPerRepo = 5, MaxReferrersPerSubject = 20, MaxOrphansPerRepo = 5 },
        });
        Assert.Equal(5, await TakenAsync("LIMIT_PENDING", Enumerable.Range(0, 60).Select(i => Task.Run(async () =>
            (await _rig.PushAsync($"v{i}", $"image {i}")).Answer))));
        Assert.Equal(5, _rig.Volume.Pushed(_rig.Repository.Name).HeldPushes().Count);

        Assert.Equal(5, await TakenAsync("LIMIT_ORPHANS", Enumerable.Range(0, 60).Select(i => Task.Run(() =>
            ReferAsync(Digest.Of([(byte)i]), $"note {i}")))));
        Assert.Equal(5, await _rig.Volume.Pushed(_rig.Repository.Name).OrphansAsync().Distinct().CountAsync());
    }

    [Fact]
    public async Task Concurrent_referrers_do_not_exceed_the_limit_of_one_subject()
    {
        var (digest, _) = await _rig.PushAsync("v1", "one");
        Assert.Equal(3, await TakenAsync("LIMIT_REFERRERS", Enumerable.Range(0, 40).Select(i => Task.Run(() =>
            ReferAsync(digest, $"note {i}")))));
        Assert.Equal(3, Gateway.Storage.EvidenceNotes.List(_rig.Volume.Pushed(_rig.Repository.Name), digest).Count);
    }

    [Fact]
    public async Task Without_a_policy_nothing_is_counted()
    {
        _rig.Reload(null);
        for (var i = 0; i < 5; i++) Assert.Equal("Found", CodeOf(await ReferAsync(Digest.Of("absent"u8), $"note {i}")));
    }
}
