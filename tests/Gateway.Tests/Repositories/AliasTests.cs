using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>The same bytes under their sha256 and their sha512 digest are one manifest with one verdict.</summary>
public sealed class AliasTests : IAsyncLifetime
{
    // More than the number of calls that a push makes to its backing.
    private const int Moments = 60;

    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    /// <summary>Pushes an image under both digests, and binds a tag to the sha512 digest when one is given.</summary>
    private async Task<(Digest Sha256, Digest Sha512)> PushAsync(string text, string? tag = null)
    {
        var (digest, _) = await _rig.PushAsync(null, text);
        var bytes = await BytesOfAsync(_rig.Repository, digest);
        var other = Digest.Of(bytes.Span, DigestAlgorithm.Sha512);
        TagName[] tags = tag is null ? [] : [TagName.Parse(tag)];
        Assert.IsType<Answer<PushedManifest>.Found>(await _rig.Repository.PutManifestAsync(
            HoldRig.Pusher, new(new(other), [.. tags], MediaTypes.OciManifest, bytes), default));
        return (digest, other);
    }

    private static async Task<ReadOnlyMemory<byte>> BytesOfAsync(Repository repository, Digest digest) =>
        Assert.IsType<Answer<StoredManifest>.Found>(await repository.GetManifestAsync(HoldRig.Pusher, new(digest), default)).Value.Bytes;

    /// <summary>Asserts that only an admin can delete a signature that admits the other digest.</summary>
    private static Caller Admin => HoldRig.Pusher with { Rights = AccessActions.All | AccessActions.Admin };

    private async Task DeleteAsync(string name, Digest digest) =>
        Assert.IsType<Answer<Digest>.Found>(await _rig.At(name).DeleteManifestAsync(Admin, new(digest), default));

    [Fact]
    public async Task Bytes_that_are_admitted_by_one_digest_are_admitted_by_the_other()
    {
        var (sha256, sha512) = await PushAsync("one");
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
        await _rig.SignAsync(sha256);
        Assert.Equal(sha256.ToString(), await _rig.SeenAsync(HoldRig.Puller, sha256.ToString()));
        Assert.Equal(sha512.ToString(), await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
    }

    [Fact]
    public async Task Bytes_that_are_refused_by_one_digest_are_refused_by_the_other()
    {
        var (sha256, sha512) = await PushAsync("one");
        await _rig.SignAsync(sha256);
        Assert.Equal(sha512.ToString(), await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
        _rig.Reload(_rig.Policy! with { Trust = _rig.Trust(revokedAt: DateTimeOffset.UnixEpoch) });
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, sha256.ToString()));
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
        Assert.True(await _rig.SeesBlobAsync(HoldRig.Pusher, HoldRig.LayerOf("one")));
        Assert.False(await _rig.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
    }

    [Fact]
    public async Task Held_tag_of_one_digest_is_released_by_a_signature_of_the_other()
    {
        var (sha256, sha512) = await PushAsync("one", "v1");
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, "v1"));
        var signed = Assert.IsType<Answer<PushedManifest>.Found>(await _rig.SignAsync(sha256));
        Assert.Equal([TagName.Parse("v1")], signed.Value.Promoted);
        Assert.Equal(sha512.ToString(), await _rig.SeenAsync(HoldRig.Puller, "v1"));
    }

    [Fact]
    public async Task Verdict_that_rests_on_a_signature_of_the_other_digest_ends_with_that_signature()
    {
        var (sha256, sha512) = await PushAsync("one");
        await _rig.SignAsync(sha256);
        Assert.Equal(sha512.ToString(), await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
        var signature = await _rig.SeenAsync(HoldRig.Pusher, $"sha256-{sha256.Hex}.sig");
        foreach (var gone in new[] { sha256, Digest.Parse(signature) })
            Assert.IsType<Answer<Digest>.Found>(await _rig.Repository.DeleteManifestAsync(Admin, new(gone), default));
        Assert.Equal("Hidden", await _rig.SeenAsync(HoldRig.Puller, sha512.ToString()));
    }

    [Fact]
    public async Task Tag_does_not_move_when_the_signature_of_the_other_digest_is_deleted_during_evaluation()
    {
        var calls = new List<string>();
        while (true)
        {
            var name = $"prod/app{calls.Count}";
            var (older, _) = await _rig.PushAsync("v1", "older", _rig.At(name));
            await _rig.SignAsync(older, null, _rig.At(name));
            var (newer, _) = await _rig.PushAsync(null, "newer", _rig.At(name));
            var bytes = await BytesOfAsync(_rig.At(name), newer);
            await _rig.SignAsync(newer, null, _rig.At(name));
            var stored = _rig.Volume.Pushed(RepositoryName.Parse(name));
            var signature = Assert.Single(EvidenceNotes.List(stored, newer));
            // A manifest that is stored under this digest would prevent the deletion of its signature.
            await DeleteAsync(name, newer);
            var (backing, interruption) = InterruptingBacking.Of(stored, calls.Count + 1, () => DeleteAsync(name, signature));
            var other = Digest.Of(bytes.Span, DigestAlgorithm.Sha512);
            var push = new ManifestPush(new(other), [TagName.Parse("v1")], MediaTypes.OciManifest, bytes);
            Assert.IsType<Answer<PushedManifest>.Found>(await _rig.Over(name, backing).PutManifestAsync(HoldRig.Pusher, push, default));
            if (interruption.Interrupted is not { } call) break;

            // The result is as if the signature was deleted before the push, or after it when the push was committed already.
            var isCommitted = calls.Contains(nameof(IBacking.CommitAsync));
            Assert.Equal(isCommitted ? other : older, stored.LiveOf(TagName.Parse("v1")));
            calls.Add(call);
            Assert.True(calls.Count < Moments, $"expected fewer than {Moments} calls, got {string.Join(", ", calls)}");
        }
        Assert.True(calls.Count >= 4, $"expected at least 4 interrupted calls, got {string.Join(", ", calls)}");
        Assert.Contains(nameof(IBacking.CommitAsync), calls);
    }

    [Fact]
    public async Task Promotion_by_the_other_digest_copies_the_signature()
    {
        var stage = _rig.Repository;
        var (sha256, sha512) = await PushAsync("one");
        await _rig.SignAsync(sha256);
        var prod = _rig.At("prod/other");
        Assert.IsType<Answer<PushedManifest>.Found>(await prod.PromoteAsync(
            HoldRig.Pusher, stage, HoldRig.Pusher, new(sha512), TagName.Parse("v1"), default));
        var pulled = await prod.GetManifestAsync(HoldRig.Puller, new(TagName.Parse("v1")), default);
        Assert.Equal(sha512, Assert.IsType<Answer<StoredManifest>.Found>(pulled).Value.Digest);
    }
}
