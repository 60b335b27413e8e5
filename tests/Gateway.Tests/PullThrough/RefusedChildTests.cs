using System.Text;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Tests.Repositories;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>The policy evaluates an index by itself and its children that are here; each child is evaluated when it is requested.</summary>
public sealed class RefusedChildTests : IAsyncLifetime
{
    private Rig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await Rig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Index_is_served_and_its_child_of_a_forbidden_type_is_refused()
    {
        var image = _rig.Hub.AddImage(Rig.Name, null, ScriptedUpstream.Bytes(100, seed: 91));
        var config = Encoding.UTF8.GetBytes("{}");
        _rig.Hub.AddBlob(Rig.Name, config);
        var module = GateRig.Manifest(new(GateRig.Wasm, Digest.Of(config), config.Length));
        _rig.Hub.AddManifest(Rig.Name, module, MediaTypes.OciManifest, "module");
        var read = await TaggedSignatureTests.GetAsync(_rig.Under(null), image.Digest);
        var size = Assert.IsType<Answer<StoredManifest>.Found>(read).Value.Bytes.Length;
        var index = GateRig.Index(
            new(MediaTypes.OciManifest, Rig.D(image.Digest), size), new(MediaTypes.OciManifest, Digest.Of(module), module.Length));
        _rig.Hub.AddManifest(Rig.Name, index, MediaTypes.OciIndex, "v1");
        var gate = _rig.Under(GateRig.Types());

        for (var again = 0; again < 2; again++)
        {
            Assert.IsType<Answer<StoredManifest>.Found>(await TaggedSignatureTests.GetAsync(gate, "v1"));
            Assert.IsType<Answer<StoredManifest>.Found>(await TaggedSignatureTests.GetAsync(gate, image.Digest));
            Assert.IsType<Answer<StoredManifest>.Refused>(await TaggedSignatureTests.GetAsync(gate, Digest.Of(module).ToString()));
        }
    }
}
