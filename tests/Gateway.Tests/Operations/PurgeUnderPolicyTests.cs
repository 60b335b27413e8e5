using System.Text;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>
/// A purge under a policy, which admits a blob because a stored manifest names it: what images that are still cached need must be pulled
/// again from the upstream, and not be unknown.
/// </summary>
public sealed class PurgeUnderPolicyTests : IAsyncLifetime
{
    private ScriptedUpstream _hub = null!;
    private ScriptedImage _one = null!;
    private ScriptedImage _two = null!;
    private GatewayRig _rig = null!;

    private string Shared => _one.Layers[0];

    public async ValueTask InitializeAsync()
    {
        _hub = await ScriptedUpstream.StartAsync();
        var shared = ScriptedUpstream.Bytes(300_000, 1);
        _one = _hub.AddImage("team/app", "v1", shared, ScriptedUpstream.Bytes(100_000, 2));
        _two = _hub.AddImage("team/app", "v2", shared, ScriptedUpstream.Bytes(100_000, 3));
        var upstream = new UpstreamOptions { Key = "hub", Urls = [_hub.Url], Referrers = ReferrersFetch.OnDemand };
        _rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add("hub", upstream),
            Routes = [new() { Prefix = "hub", Upstream = "hub" }, new() { Prefix = "" }],
            Policy = new() { Default = Outcome.Allow, ArtifactTypes = new() },
        });
        await PullAsync("v1", _one);
        await PullAsync("v2", _two);
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _hub.DisposeAsync();
    }

    [Fact]
    public async Task Layer_of_a_purged_image_is_fetched_again_for_another_image_of_the_repository()
    {
        await PurgeAsync("hub/team/app:v1");

        await PullAsync("v2", _two);
        await PullAsync("v1", _one);
    }

    [Fact]
    public async Task Purged_layer_is_fetched_again_for_the_images_that_are_still_cached()
    {
        await PurgeAsync(Shared);

        await PullAsync("v1", _one);
        await PullAsync("v2", _two);
        Assert.Equal(2, _hub.Count(request => request.IsGet && request.Path.EndsWith(Shared, StringComparison.Ordinal)));
    }

    private async Task PurgeAsync(string what)
    {
        using var body = new StringContent(JsonSerializer.Serialize(new { what }), Encoding.UTF8, "application/json");
        // Content is stored after its readers have it.
        await Patience.UntilAsync(
            async () =>
            {
                using var answer = await _rig.Client.PostAsync(new Uri(_rig.Operator, "/api/v1/purge"), body);
                return answer.IsSuccessStatusCode;
            },
            () => $"{what} is purged");
    }

    private async Task PullAsync(string tag, ScriptedImage image)
    {
        using var manifest = await _rig.SendAsync("GET", $"/v2/hub/team/app/manifests/{tag}");
        Assert.Equal(200, (int)manifest.StatusCode);
        foreach (var blob in image.Layers.Prepend(image.Config))
        {
            using var answer = await _rig.SendAsync("GET", $"/v2/hub/team/app/blobs/{blob}");
            Assert.Equal((blob, 200), (blob, (int)answer.StatusCode));
        }
    }
}
