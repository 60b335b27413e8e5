using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>
/// A part of the volume cannot be looked at: 503 for all that is there, and nobody upstream is asked in its place. The failure is ELOOP,
/// which root meets too.
/// </summary>
public sealed class UnreadableVolumeTests
{
    private const string Kept = "docker/registry/v2";

    [Theory]
    [InlineData($"{Kept}/repositories/team/app/_manifests", "manifests/v1")]
    [InlineData($"{Kept}/repositories/team/app/_manifests", "manifests/{manifest}")]
    [InlineData($"{Kept}/repositories/team/app/_manifests", "tags/list")]
    [InlineData($"{Kept}/repositories/team/app/_manifests", "referrers/{manifest}")]
    [InlineData($"{Kept}/repositories/team/app/_manifests/tags/v1/current", "tags/list")]
    [InlineData($"{Kept}/repositories/team/app/_layers", "blobs/{blob}")]
    [InlineData($"{Kept}/repositories/team/app/_manifests/revisions", "../../_catalog")]
    [InlineData($"{Kept}/blobs", "manifests/v1")]
    [InlineData($"{Kept}/blobs", "manifests/{manifest}")]
    [InlineData($"{Kept}/blobs", "blobs/{blob}")]
    [InlineData("gateway/cache/v2", "blobs/{missing}")]
    public async Task Unreadable_pushed_content_returns_503_until_it_is_readable(string folder, string path)
    {
        await using var rig = await GatewayRig.StartAsync();
        var blob = await rig.PushBlobAsync("team/app", "{}"u8.ToArray());
        var manifest = await rig.PushManifestAsync("team/app", "v1");
        var url = $"/v2/team/app/{path}".Replace("{manifest}", manifest.ToString(), StringComparison.Ordinal)
            .Replace("{blob}", blob.ToString(), StringComparison.Ordinal);
        var methods = path.EndsWith("list", StringComparison.Ordinal) || path.StartsWith("ref", StringComparison.Ordinal)
            || path.EndsWith("catalog", StringComparison.Ordinal) ? (string[])["GET"] : ["GET", "HEAD"];
        if (path.EndsWith("{missing}", StringComparison.Ordinal))
        {
            // Linked, its bytes in another root perhaps: that one must be looked at.
            url = $"/v2/team/app/blobs/{blob}";
            Directory.Delete(Path.GetDirectoryName($"{rig.Storage}/{Kept}/blobs/sha256/{blob.Hex[..2]}/{blob.Hex}/data")!, recursive: true);
        }
        await rig.StopAsync();
        using var broken = new Unreadable($"{rig.Storage}/{folder}");
        await rig.StartAgainAsync();

        foreach (var method in methods)
        {
            using var answer = await rig.SendAsync(method, url);
            Assert.Equal(503, (int)answer.StatusCode);
            if (method == "GET") Assert.Equal("UNAVAILABLE", await GatewayRig.ErrorCodeAsync(answer));
        }
        broken.Dispose();
        foreach (var method in methods)
        {
            using var answer = await rig.SendAsync(method, url);
            Assert.Equal(path.EndsWith("{missing}", StringComparison.Ordinal) ? 404 : 200, (int)answer.StatusCode);
        }
    }

    [Theory]
    [InlineData("gateway/cache/v2/repositories/hub", "manifests/latest")]
    [InlineData("gateway/cache/v2/repositories/hub", "manifests/{manifest}")]
    [InlineData("gateway/cache/v2/repositories/hub", "blobs/{blob}")]
    [InlineData("gateway/cache/v2/blobs", "manifests/{manifest}")]
    [InlineData("gateway/cache/v2/blobs", "blobs/{blob}")]
    public async Task Unreadable_cached_content_returns_503_without_asking_the_upstream(string folder, string path)
    {
        await using var hub = await ScriptedUpstream.StartAsync("127.0.0.1", false);
        var image = hub.AddImage("library/nginx", "latest", ScriptedUpstream.Bytes(1000, seed: 3));
        await using var rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add("hub", new() { Key = "hub", Urls = [hub.Url] }),
            Routes = [new() { Prefix = "hub", Upstream = "hub" }, new() { Prefix = "" }],
        });
        (await rig.SendAsync("GET", "/v2/hub/library/nginx/manifests/latest")).Dispose();
        using (var pulled = await rig.SendAsync("GET", $"/v2/hub/library/nginx/blobs/{image.Layers[0]}"))
            await pulled.Content.ReadAsByteArrayAsync();
        await rig.StopAsync();
        using var broken = new Unreadable($"{rig.Storage}/{folder}");
        await rig.StartAgainAsync();
        var asked = hub.Requests.Count;
        var url = $"/v2/hub/library/nginx/{path}".Replace("{manifest}", image.Digest, StringComparison.Ordinal)
            .Replace("{blob}", image.Layers[0], StringComparison.Ordinal);

        foreach (var method in (string[])["GET", "HEAD"])
        {
            using var answer = await rig.SendAsync(method, url);
            Assert.Equal(503, (int)answer.StatusCode);
        }
        Assert.Equal(asked, hub.Requests.Count);
        broken.Dispose();

        using var again = await rig.SendAsync("GET", url);
        Assert.Equal(200, (int)again.StatusCode);
        Assert.Equal("gateway; hit", GatewayRig.Header(again, "Cache-Status"));
    }

    [Fact]
    public async Task Failed_upload_states_the_cause_without_the_storage_path()
    {
        await using var rig = await GatewayRig.StartAsync();
        await rig.StopAsync();
        File.Delete($"{rig.Storage}/gateway/lock");
        Directory.CreateDirectory($"{rig.Storage}/gateway/lock");
        await rig.StartAgainAsync();

        using var answer = await rig.SendAsync("POST", "/v2/team/app/blobs/uploads/");

        Assert.Equal(503, (int)answer.StatusCode);
        var body = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.DoesNotContain(rig.Storage, body, StringComparison.Ordinal);
        Assert.Contains("the volume was not writable when the gateway started (", body, StringComparison.Ordinal);
    }

    /// <summary>A symbolic link to itself in the place of a folder, until it is disposed.</summary>
    private sealed class Unreadable : IDisposable
    {
        private readonly string _folder;
        private bool _isMended;

        public Unreadable(string folder)
        {
            _folder = folder;
            Directory.CreateDirectory(folder);
            Directory.Move(folder, folder + ".aside");
            File.CreateSymbolicLink(folder, folder);
        }

        public void Dispose()
        {
            if (_isMended) return;
            _isMended = true;
            File.Delete(_folder);
            Directory.Move(_folder + ".aside", _folder);
        }
    }
}
