using System.Text;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Deletes of what a manifest names, between the check of its push and the commit.</summary>
public sealed class PushRaceTests : IAsyncLifetime
{
    // More than the number of calls that a push makes to a backing.
    private const int Moments = 60;

    private HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync(OnMissing.Deny, Stage.Pull);

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Push_of_an_index_is_refused_when_a_blob_that_it_lists_is_deleted_before_the_commit()
    {
        var sawCommit = false;
        for (var moment = 1; moment < Moments; moment++)
        {
            var name = $"team/app{moment}";
            var pushed = _rig.At(name);
            var blob = (await GateRig.PushBlobAsync(pushed, "cache", caller: HoldRig.Pusher)).Digest;
            var stored = _rig.Volume.Pushed(RepositoryName.Parse(name));
            var (backing, proxy) = InterruptingBacking.Of(
                stored, moment, async () => await stored.CommitAsync(new([new Operation.RemoveBlob(blob)]), default));
            var bytes = Encoding.UTF8.GetBytes(IndexOf(blob));
            var answer = await HoldRig.PutAsync(_rig.Over(name, backing), "v1", bytes, MediaTypes.OciIndex);
            if (proxy.Interrupted is null) break;
            if (proxy.Interrupted != nameof(IBacking.CommitAsync)) continue;
            sawCommit = true;
            var refused = Assert.IsType<Answer<PushedManifest>.Invalid>(answer);
            Assert.Equal(RegistryErrorCode.MANIFEST_BLOB_UNKNOWN, refused.Code);
        }
        Assert.True(sawCommit);
    }

    private static string IndexOf(Digest blob) =>
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{{blob}}","size":5}]}""";
}
