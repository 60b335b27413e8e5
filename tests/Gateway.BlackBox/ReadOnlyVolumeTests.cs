using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A read-only volume: the gateway starts, serves pulls, and refuses pushes with the reason.</summary>
public sealed class ReadOnlyVolumeTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly byte[] _layer = OciLayout.Noise(1, 100_000);
    private DockerRegistry _registry = null!;
    private GatewayProcess _gateway = null!;
    private RawClient _raw = null!;
    private byte[] _image = [];
    private bool _isMounted;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Volume);
        _registry = await DockerRegistry.StartAsync();
        using (var there = new RawClient(_registry.Host))
        {
            await there.ImageAsync("team/cached", "1", _layer);
            await there.ImageAsync("team/new", "1", OciLayout.Noise(2, 200_000));
        }
        _gateway = await GatewayProcess.StartAsync($$"""
            upstreams: { corp: { url: "{{_registry.Url}}" } }
            routes: [{ prefix: "", storage: built-in }, { prefix: corp, upstream: corp }]
            """, Volume);
        _raw = new RawClient(_gateway.Host);
        _image = await _raw.ImageAsync("team/app", "1", _layer);
        await AssertPulledAsync("corp/team/cached", _layer);
    }

    public async ValueTask DisposeAsync()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed && _gateway is not null)
            TestContext.Current.TestOutputHelper?.WriteLine(_gateway.Log);
        _raw?.Dispose();
        if (_gateway is not null) await _gateway.DisposeAsync();
        if (_registry is not null) await _registry.DisposeAsync();
        if (_isMounted) Run("umount", "-l", Volume);
        _folder.Dispose();
    }

    private string Volume => _folder["volume"];

    [Fact]
    public async Task Gateway_starts_on_a_read_only_volume_serves_pulls_and_refuses_pushes()
    {
        await _gateway.Server.StopAsync();
        _isMounted = Run("mount", "--bind", Volume, Volume) && Run("mount", "-o", "remount,bind,ro", Volume);
        Assert.SkipUnless(_isMounted, "Making a read-only mount failed; run the tests as root.");

        await _gateway.StartAgainAsync(health: "/livez");

        await AssertTakesNoWritesAsync();
        await AssertPulledAsync("team/app", _layer);
        await AssertPulledAsync("corp/team/cached", _layer);
        // Content that is not stored passes through and is not cached.
        await AssertPulledAsync("corp/team/new", OciLayout.Noise(2, 200_000));
        using (var tags = await _raw.GetAsync("/v2/team/app/tags/list"))
            Assert.Equal("1", JsonNode.Parse(await tags.Content.ReadAsStringAsync())!["tags"]![0]!.GetValue<string>());
        foreach (var repository in (string[])["team/app", "corp/team/cached"])
        {
            using var referrers = await _raw.GetAsync($"/v2/{repository}/referrers/{Described.Sha256(_image)}");
            await RawClient.ExpectAsync(referrers, HttpStatusCode.OK);
        }
        await AssertTakesNoWritesAsync();

        await _gateway.Server.StopAsync();
        Assert.True(Run("umount", Volume));
        _isMounted = false;
        await _gateway.StartAgainAsync();
        await _raw.ImageAsync("team/app", "2", _layer);
    }

    [Fact]
    public async Task Second_read_only_gateway_is_refused_while_the_first_one_writes()
    {
        _isMounted = Run("mount", "--bind", Volume, Volume) && Run("mount", "-o", "remount,bind,ro", Volume);
        Assert.SkipUnless(_isMounted, "Making a read-only mount failed; run the tests as root.");
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => GatewayProcess.StartAsync(storage: Volume));
        Assert.Contains("is in use by another gateway", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Volume_that_becomes_read_only_is_reported_and_refuses_pushes_and_recovers()
    {
        // access(2) answers this for a file system that was remounted read-only. A mount with files open for writing cannot be remounted.
        await using (await FailingKernel.AttachAsync(_gateway.Server.Id, "?access,?faccessat", "EROFS", $"{Volume}/gateway"))
        {
            using var http = new HttpClient { BaseAddress = _gateway.Operator };
            await Eventually.TrueAsync(
                async () => (await http.GetAsync("/readyz")).StatusCode == HttpStatusCode.ServiceUnavailable,
                () => "/readyz does not tell of a read-only volume");
            await AssertTakesNoWritesAsync();
            await AssertPulledAsync("team/app", _layer);
            await AssertPulledAsync("corp/team/new", OciLayout.Noise(2, 200_000));
        }
        await _gateway.Server.WaitUntilReadyAsync(new Uri(_gateway.Operator, "/readyz"), TimeSpan.FromSeconds(60));
        await _raw.ImageAsync("team/app", "2", _layer);
    }

    [Theory]
    [InlineData("EDQUOT", "Disk quota exceeded")]
    [InlineData("EIO", "Input/output error")]
    public async Task Volume_whose_writes_fail_is_reported_until_a_write_succeeds(string error, string words)
    {
        var blob = OciLayout.Noise(3, 100_000);
        await using (await FailingKernel.AttachAsync(_gateway.Server.Id, "pwrite64", error))
        {
            using (var refused = await _raw.SendAsync(HttpMethod.Post, "/v2/team/app/blobs/uploads/", RawClient.Body([])))
                await RawClient.ExpectErrorAsync(refused, 503, "UNAVAILABLE");
            await AssertTakesNoWritesAsync(words);
            await AssertPulledAsync("team/app", _layer);
            await AssertPulledAsync("corp/team/new", OciLayout.Noise(2, 200_000));
        }
        await _gateway.Server.WaitUntilReadyAsync(new Uri(_gateway.Operator, "/readyz"), TimeSpan.FromSeconds(60));
        await _raw.ImageAsync("team/app", "2", blob);
    }

    private async Task AssertTakesNoWritesAsync(string words = "Read-only file system")
    {
        using var http = new HttpClient { BaseAddress = _gateway.Operator };
        using var ready = await http.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Contains(words, await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("gateway_disk_writable 0", await http.GetStringAsync("/metrics"), StringComparison.Ordinal);
        using var upload = await _raw.SendAsync(HttpMethod.Post, "/v2/team/app/blobs/uploads/", RawClient.Body([]));
        await RawClient.ExpectErrorAsync(upload, 503, "UNAVAILABLE");
        using var tag = await _raw.PushManifestAsync("team/app", "2", _image);
        await RawClient.ExpectErrorAsync(tag, 503, "UNAVAILABLE");
        using var deleted = await _raw.DeleteAsync("/v2/team/app/manifests/1");
        await RawClient.ExpectErrorAsync(deleted, 503, "UNAVAILABLE");
    }

    private async Task AssertPulledAsync(string repository, byte[] layer)
    {
        using var manifest = await _raw.GetAsync($"/v2/{repository}/manifests/1", ("Accept", OciLayout.ImageManifest));
        await RawClient.ExpectAsync(manifest, HttpStatusCode.OK);
        using var blob = await _raw.GetAsync($"/v2/{repository}/blobs/{Described.Sha256(layer)}");
        await RawClient.ExpectAsync(blob, HttpStatusCode.OK);
        Assert.Equal(layer, await blob.Content.ReadAsByteArrayAsync());
    }

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
