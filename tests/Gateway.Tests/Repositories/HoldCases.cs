using Gateway.Oci;
using Gateway.Repositories;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>Tests over a gate that holds unsigned pushes.</summary>
public abstract class HoldCases : IAsyncLifetime
{
    private protected HoldRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await HoldRig.OpenAsync();

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected Task<string> PullerSees(string reference) => _rig.SeenAsync(HoldRig.Puller, reference);

    private protected Task<string> PusherSees(string reference) => _rig.SeenAsync(HoldRig.Pusher, reference);

    private protected static Answer<PushedManifest>.Found Ok(Answer<PushedManifest> answer) =>
        Assert.IsType<Answer<PushedManifest>.Found>(answer);

    private protected async Task<Digest> PushSignedAsync(string tag, string text)
    {
        var (digest, _) = await _rig.PushAsync(tag, text);
        Assert.Equal([tag], Ok(await _rig.SignAsync(digest)).Value.Promoted.Select(t => t.Value));
        return digest;
    }
}
