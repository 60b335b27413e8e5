using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>One volume, two programs: the gateway and Debian's docker-registry use it in turn.</summary>
public sealed class VolumeTests : IDisposable
{
    private readonly Client _client = new();

    private string Volume => _client.Folder["volume"];

    [Fact]
    public async Task Volume_of_docker_registry_is_served_as_it_is()
    {
        var (layout, _) = OciLayout.SmallImage(_client.Folder["image"]);
        await using (var theirs = await DockerRegistry.StartAsync(Volume))
        {
            (await _client.CraneAsync("push", "--insecure", layout.Root, $"{theirs.Host}/team/app:1")).Succeeded();
            (await _client.CraneAsync("tag", "--insecure", $"{theirs.Host}/team/app:1", "stable")).Succeeded();
        }

        await using var ours = await GatewayProcess.StartAsync(storage: Volume);

        Assert.Equal(OciLayout.DigestsIn(layout.Root), await PullAsync(ours, "team/app:1"));
        Assert.Equal("1\nstable\n", (await _client.CraneAsync("ls", "--insecure", $"{ours.Host}/team/app")).Succeeded().Stdout);
        Assert.Equal("team/app\n", (await _client.CraneAsync("catalog", "--insecure", ours.Host)).Succeeded().Stdout);
    }

    [Fact]
    public async Task Second_gateway_on_a_volume_is_refused_in_one_line_and_the_first_continues()
    {
        await using var first = await GatewayProcess.StartAsync(storage: Volume);

        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => GatewayProcess.StartAsync(storage: Volume));

        Assert.Contains("ended with 1", refused.Message, StringComparison.Ordinal);
        Assert.Contains("in use by another gateway", refused.Message, StringComparison.Ordinal);
        using var raw = new RawClient(first.Host);
        using var pushed = await raw.PushBlobAsync("team/app", [1, 2, 3]);
        Assert.Equal(HttpStatusCode.Created, pushed.StatusCode);
    }

    [Fact]
    public async Task Second_gateway_on_an_audit_log_is_refused_in_one_line()
    {
        var audit = $$"""audit: { path: "{{_client.Folder["audit.log"]}}" }""";
        await using var first = await GatewayProcess.StartAsync(audit);

        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => GatewayProcess.StartAsync(audit));

        Assert.Contains("ended with 1", refused.Message, StringComparison.Ordinal);
        Assert.Contains("audit.log is in use by another gateway", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("clean stop", false)]
    [InlineData("clean stop", true)]
    [InlineData("kill", false)]
    [InlineData("kill", true)]
    public async Task Docker_registry_serves_the_gateways_volume_and_its_collector_keeps_live_content(string end, bool deleteUntagged)
    {
        var (layout, image) = OciLayout.SmallImage(_client.Folder["image"]);
        var untagged = await FillAsync(layout, end);

        await using (var before = await DockerRegistry.StartAsync(Volume))
            await AssertLiveAsync(before, layout, image);
        await using var theirs = await DockerRegistry.StartAsync(Volume);
        await theirs.StopAsync();
        await theirs.CollectGarbageAsync(deleteUntagged);
        await theirs.StartAgainAsync();

        await AssertLiveAsync(theirs, layout, image);
        using var raw = new RawClient(theirs.Host);
        using var gone = await raw.GetAsync($"/v2/team/app/manifests/{untagged}", ("Accept", OciLayout.ImageManifest));
        Assert.Equal(deleteUntagged ? HttpStatusCode.NotFound : HttpStatusCode.OK, gone.StatusCode);
    }

    [Fact]
    public async Task Gateway_serves_what_docker_registry_added_and_removed_while_it_was_stopped()
    {
        var (layout, image) = OciLayout.SmallImage(_client.Folder["image"]);
        var (other, _) = OciLayout.SmallImage(_client.Folder["other"], seed: 2);
        await FillAsync(layout, "clean stop");
        await using (var theirs = await DockerRegistry.StartAsync(Volume))
        {
            (await _client.CraneAsync("push", "--insecure", other.Root, $"{theirs.Host}/team/new:1")).Succeeded();
            (await _client.CraneAsync("delete", "--insecure", $"{theirs.Host}/team/app@{image.Digest}")).Succeeded();
        }

        await using var ours = await GatewayProcess.StartAsync(storage: Volume);

        Assert.Equal(OciLayout.DigestsIn(other.Root), await PullAsync(ours, "team/new:1"));
        using var raw = new RawClient(ours.Host);
        using var deleted = await raw.GetAsync($"/v2/team/app/manifests/{image.Digest}");
        await RawClient.ExpectErrorAsync(deleted, 404, "MANIFEST_UNKNOWN");
    }

    [Fact]
    public async Task Second_process_on_one_volume_is_refused()
    {
        await using var first = await GatewayProcess.StartAsync(storage: Volume);

        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => GatewayProcess.StartAsync(storage: Volume));

        Assert.Contains("ended with", refused.Message, StringComparison.Ordinal);
        Assert.Contains(Volume, refused.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _client.Dispose();

    /// <summary>
    /// Fills a volume of the gateway with an image under two tags, an index of two platforms, and a manifest whose tag has moved; returns
    /// the digest of that manifest.
    /// </summary>
    private async Task<string> FillAsync(OciLayout layout, string end)
    {
        await using var ours = await GatewayProcess.StartAsync(storage: Volume);
        (await _client.CraneAsync("push", "--insecure", layout.Root, $"{ours.Host}/team/app:1")).Succeeded();
        (await _client.CraneAsync("tag", "--insecure", $"{ours.Host}/team/app:1", "stable")).Succeeded();
        using var raw = new RawClient(ours.Host);
        var untagged = Described.Sha256(await raw.ImageAsync("team/app", "moving", OciLayout.Noise(3, 1000)));
        await raw.ImageAsync("team/app", "moving", OciLayout.Noise(4, 1000));
        if (end == "kill")
            await ours.Server.KillAsync();
        else
            Assert.Equal(0, await ours.Server.StopAsync());
        return untagged;
    }

    private async Task AssertLiveAsync(DockerRegistry theirs, OciLayout layout, Described image)
    {
        Assert.Equal(OciLayout.DigestsIn(layout.Root), await PullAsync(theirs, "team/app:1"));
        Assert.Equal(
            image.Digest, (await _client.CraneAsync("digest", "--insecure", $"{theirs.Host}/team/app:stable")).Succeeded().Stdout.Trim());
        (await _client.CraneAsync("manifest", "--insecure", $"{theirs.Host}/team/app:moving")).Succeeded();
    }

    private async Task<string[]> PullAsync(IRegistry registry, string reference)
    {
        var folder = _client.Folder[$"pulled-{Guid.NewGuid():n}"];
        (await _client.SkopeoAsync(
            "copy", "--preserve-digests", "--src-tls-verify=false", $"docker://{registry.Host}/{reference}",
            $"oci:{folder}:1")).Succeeded();
        return OciLayout.DigestsIn(folder);
    }
}
