using System.Collections.Immutable;
using System.Security.Cryptography;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>
/// Signatures that cosign 2 stores at an upstream count: they are under a tag named after the image, which no list of referrers names.
/// </summary>
public sealed class TaggedSignatureTests : IAsyncLifetime
{
    private static readonly Caller Puller = new("node", AccessActions.Pull);
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(1000, seed: 81);

    /// <summary>Longest time until a first signature is found: its absence is cached for 1 s, and the refusal for 1 s more.</summary>
    private static readonly TimeSpan FirstIsSeen = TimeSpan.FromSeconds(3);

    /// <summary>Longest time until a further signature is found: as long as until a first one.</summary>
    private static readonly TimeSpan FurtherIsSeen = TimeSpan.FromSeconds(3);

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private Rig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await Rig.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        _key.Dispose();
    }

    [Theory]
    [InlineData(true, OnMissing.Deny)]
    [InlineData(true, OnMissing.Quarantine)]
    [InlineData(false, OnMissing.Deny)]
    [InlineData(false, OnMissing.Quarantine)]
    public async Task Image_signed_at_its_upstream_is_served_at_its_first_pull(bool hasReferrersApi, OnMissing onMissing)
    {
        _rig.Hub.HasReferrersApi = hasReferrersApi;
        var (byTag, byDigest) = (AddImage("v1"), AddImage(null));
        Sign(byTag, _key);
        Sign(byDigest, _key);
        var gate = _rig.Under(SignedBy(_key, onMissing));

        await ServedWholeAsync(gate, byTag, "v1");
        await ServedWholeAsync(gate, byDigest, byDigest.Digest);
    }

    [Theory]
    [InlineData(true, OnMissing.Deny)]
    [InlineData(true, OnMissing.Quarantine)]
    [InlineData(false, OnMissing.Deny)]
    [InlineData(false, OnMissing.Quarantine)]
    public async Task Refused_unsigned_image_is_served_after_it_is_signed_at_the_upstream(bool hasReferrersApi, OnMissing onMissing)
    {
        _rig.Hub.HasReferrersApi = hasReferrersApi;
        var (byTag, byDigest) = (AddImage("v1"), AddImage(null));
        var gate = _rig.Under(SignedBy(_key, onMissing));
        await NotServedAsync(gate, "v1");
        await NotServedAsync(gate, byDigest.Digest);

        Sign(byTag, _key);
        Sign(byDigest, _key);
        _rig.Clock.Advance(FirstIsSeen);

        await ServedWholeAsync(gate, byTag, "v1");
        await ServedWholeAsync(gate, byDigest, byDigest.Digest);
    }

    [Fact]
    public async Task Signature_of_another_signer_at_the_upstream_is_found()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var image = AddImage("v1");
        Sign(image, other);
        var gate = _rig.Under(SignedBy(_key));
        await NotServedAsync(gate, "v1");

        Sign(image, _key);
        _rig.Clock.Advance(FurtherIsSeen);

        await ServedWholeAsync(gate, image, "v1");
    }

    [Fact]
    public async Task Cached_signature_counts_for_a_new_policy_while_the_upstream_is_down()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var image = AddImage("v1");
        Sign(image, _key);
        Assert.Equal(image.Digest, await _rig.PullTagAsync());
        await NotServedAsync(_rig.Under(SignedBy(other)), "v1");
        Sign(image, other);
        _rig.Clock.Advance(FurtherIsSeen);
        await ServedWholeAsync(_rig.Under(SignedBy(other)), image, "v1");

        _rig.Hub.When(_ => true).Respond(503);
        await _rig.RestartAsync();

        await ServedWholeAsync(_rig.Under(SignedBy(other)), image, "v1");
        await ServedWholeAsync(_rig.Under(SignedBy(_key)), image, "v1");
    }

    [Fact]
    public async Task Image_under_the_tag_of_a_signature_is_not_a_signature()
    {
        var image = AddImage("v1");
        _rig.Hub.Tag(Rig.Name, TagOf(image, ".sig"), AddImage(null).Digest);

        await NotServedAsync(_rig.Under(SignedBy(_key)), "v1");
    }

    [Fact]
    public async Task Attestations_are_found_under_their_tag()
    {
        var image = AddImage("v1");
        var attestations = _rig.Hub.AddImage(Rig.Name, TagOf(image, ".att"), Layer);

        var found = await _rig.Backing.EvidenceAsync(Rig.D(image.Digest), default);

        Assert.Equal([Rig.D(attestations.Digest)], Assert.IsType<Result<IReadOnlyList<Digest>>.Found>(found).Value);
    }

    [Fact]
    public async Task Policy_without_signatures_requests_no_signature_tags()
    {
        AddImage("v1");
        await GetAsync(_rig.Under(new() { Default = Outcome.Allow }), "v1");

        Assert.DoesNotContain(_rig.Hub.Requests, r => r.Path.Contains("sha256-", StringComparison.Ordinal));
    }

    internal static PolicyOptions SignedBy(ECDsa key, OnMissing onMissing = OnMissing.Deny) => new()
    {
        Default = Outcome.Allow,
        Trust = new()
        {
            Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                "k", new(VerificationKey.Parse(key.ExportSubjectPublicKeyInfoPem()).Key!)),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release") { AnyOf = ["k"] }),
        },
        Rules = [new() { Id = "signed", Require = new() { Signatures = [new("release")] }, OnMissing = onMissing }],
    };

    private ScriptedImage AddImage(string? tag) => _rig.Hub.AddImage(Rig.Name, tag, Layer);

    private static string TagOf(ScriptedImage image, string suffix) => image.Digest.Replace(':', '-') + suffix;

    /// <summary>Replaces any other signature by this one.</summary>
    private void Sign(ScriptedImage image, ECDsa key)
    {
        var signature = LegacySignature.Of(Rig.D(image.Digest), key, log: null);
        _rig.Hub.AddBlob(Rig.Name, signature.Payload);
        _rig.Hub.AddBlob(Rig.Name, signature.Config);
        _rig.Hub.AddManifest(Rig.Name, signature.Manifest, MediaTypes.OciManifest, signature.Tag);
    }

    internal static async Task<Answer<StoredManifest>> GetAsync(Repository gate, string reference) => await gate.GetManifestAsync(
        Puller, Digest.TryParse(reference, out var digest) ? new(digest) : new(TagName.Parse(reference)), default);

    internal static async Task ServedWholeAsync(Repository gate, ScriptedImage image, string reference)
    {
        var found = Assert.IsType<Answer<StoredManifest>.Found>(await GetAsync(gate, reference));
        Assert.Equal(image.Digest, found.Value.Digest.ToString());
        foreach (var blob in image.Layers.Append(image.Config))
        {
            var opened = await gate.OpenBlobAsync(Puller, Rig.D(blob), BlobUse.Whole, default);
            await using var content = Assert.IsType<Answer<IContent>.Found>(opened).Value;
            Assert.Equal(blob, ScriptedUpstream.DigestOf(await Rig.ReadAsync(content)));
        }
    }

    private static async Task NotServedAsync(Repository gate, string reference) =>
        Assert.True(await GetAsync(gate, reference) is Answer<StoredManifest>.Refused or Answer<StoredManifest>.Hidden);
}
