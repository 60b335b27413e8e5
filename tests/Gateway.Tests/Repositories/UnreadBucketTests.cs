using System.Security.Cryptography;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Storage.Tests;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>
/// A gateway whose bucket does not answer does not say "not signed": another gateway may have received the signature meanwhile. It answers
/// that it does not know.
/// </summary>
public sealed class UnreadBucketTests : IAsyncLifetime
{
    private static readonly TagName V1 = TagName.Parse("v1");

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly MemoryBucket _bucket = new();
    private readonly List<HoldRig> _rigs = [];
    private volatile bool _isAway;

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        foreach (var rig in _rigs) await rig.DisposeAsync();
        _key.Dispose();
    }

    /// <summary>Two gateways; the store of the second one goes away when the test says so.</summary>
    private async Task<(HoldRig There, HoldRig Here)> OpenAsync(OnMissing onMissing, params Stage[] stages)
    {
        var faulty = new FaultyBucket(_bucket, _ => _isAway ? Fault.Unavailable : Fault.None);
        foreach (var bucket in (IBucket[])[_bucket, faulty]) _rigs.Add(await HoldRig.OpenSharedAsync(bucket, _key, onMissing, stages));
        return (_rigs[0], _rigs[1]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Promotion_after_a_signature_at_another_gateway_succeeds_or_is_unavailable_without_the_bucket(bool isAway)
    {
        var (there, here) = await OpenAsync(OnMissing.Deny, Stage.Promote, Stage.Pull);
        var (digest, _) = await there.PushAsync("v1", "one", there.At("stage/app"));
        Assert.IsType<Answer<PushedManifest>.Refused>(await PromoteAsync());
        await there.SignAsync(digest, null, there.At("stage/app"));
        _isAway = isAway;
        var answer = await PromoteAsync();
        if (!isAway) Assert.IsType<Answer<PushedManifest>.Found>(answer);
        else Assert.Contains("the bucket of this registry does not answer", Unavailable(answer), StringComparison.Ordinal);
        _isAway = false;
        await Patience.UntilAsync(async () => await PromoteAsync() is Answer<PushedManifest>.Found, () => "the image is promoted");

        async Task<Answer<PushedManifest>> PromoteAsync() => await here.Repository.PromoteAsync(
            HoldRig.Pusher, here.At("stage/app"), HoldRig.Pusher, new(digest), V1, default);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pull_after_a_signature_at_another_gateway_succeeds_or_is_unavailable_without_the_bucket(bool isAway)
    {
        var (there, here) = await OpenAsync(OnMissing.Quarantine);
        var (digest, _) = await there.PushAsync("v1", "one");
        foreach (var reference in (string[])["v1", $"{digest}"]) Assert.Equal("Hidden", await here.SeenAsync(HoldRig.Puller, reference));
        Assert.False(await here.SeesBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one")));
        await there.SignAsync(digest);
        _isAway = isAway;
        string[] references = [$"{digest}", "v1", $"{digest}"];
        foreach (var reference in references)
            Assert.Equal(isAway ? "Unavailable" : $"{digest}", await here.SeenAsync(HoldRig.Puller, reference));
        var blob = await here.Repository.OpenBlobAsync(HoldRig.Puller, HoldRig.LayerOf("one"), BlobUse.Whole, default);
        if (isAway) Assert.IsType<Answer<IContent>.Unavailable>(blob);
        else await Assert.IsType<Answer<IContent>.Found>(blob).Value.DisposeAsync();
        _isAway = false;
        await Patience.UntilAsync(
            async () => await here.SeenAsync(HoldRig.Puller, "v1") == $"{digest}", () => "the released push is seen");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Push_after_a_signature_at_another_gateway_succeeds_or_is_unavailable_without_the_bucket(bool isAway)
    {
        var (there, here) = await OpenAsync(OnMissing.Deny);
        var (digest, refused) = await here.PushAsync("v1", "one");
        Assert.IsType<Answer<PushedManifest>.Refused>(refused);
        var config = await GateRig.PushBlobAsync(here.Repository, "one", caller: HoldRig.Pusher);
        var layer = await GateRig.PushBlobAsync(
            here.Repository, "layer of one", "application/vnd.oci.image.layer.v1.tar", HoldRig.Pusher);
        await there.SignAsync(digest);
        _isAway = isAway;
        var answer = await HoldRig.PutAsync(here.Repository, "v1", GateRig.Manifest(config, layer));
        Assert.Equal(isAway ? "Unavailable" : "Found", answer.GetType().Name);
    }

    private static string Unavailable<T>(Answer<T> answer) => Assert.IsType<Answer<T>.Unavailable>(answer).Why;
}
