using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Collection;

/// <summary>
/// Damaged content that an upstream still has, and content that the disk could not read for a moment (EIO, made by strace).
/// </summary>
public sealed class HealingTests : IAsyncLifetime
{
    private const string Reads = "sendfile,read,readv,pread64,preadv";

    private readonly Client _client = new();
    private readonly byte[] _layer = OciLayout.Noise(7, 300_000);
    private DockerRegistry _registry = null!;
    private GatewayProcess _gateway = null!;
    private RawClient _raw = null!;

    private string Blob => Described.Sha256(_layer);

    public async ValueTask InitializeAsync()
    {
        _registry = await DockerRegistry.StartAsync();
        _gateway = await GatewayProcess.StartAsync($$"""
            upstreams: { corp: { url: "{{_registry.Url}}" } }
            routes:
              - { prefix: mirror, upstream: corp }
              - { prefix: "", storage: built-in }
            """);
        _raw = new(_gateway.Host);
    }

    public async ValueTask DisposeAsync()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed) TestContext.Current.TestOutputHelper?.WriteLine(_gateway.Log);
        _raw.Dispose();
        await _gateway.DisposeAsync();
        await _registry.DisposeAsync();
        _client.Dispose();
    }

    private string Data(string root, string digest) =>
        Path.Combine(_gateway.Storage, root, $"blobs/sha256/{digest[7..9]}/{digest[7..]}/data");

    private string Cached => Data("gateway/cache/v2", Blob);

    private string Pushed => Data("docker/registry/v2", Blob);

    private string Aside(string digest) => Path.Combine(_gateway.Storage, "gateway/damaged", $"pushed-sha256-{digest[7..]}");

    private Task<Output> ScrubAsync() => _client.RunAsync(
        "dotnet", [GatewayProcess.Assembly, "scrub", "--config", _gateway.ConfigurationFile]);

    // With the same length: nothing but the digest tells.
    private static void Rot(string file)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        using var opened = new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        opened.Write(bytes);
    }

    private async Task PullAsync()
    {
        using (var there = new RawClient(_registry.Host)) await there.ImageAsync("team/app", "1", _layer);
        await ReadAsync("mirror/team/app/manifests/1");
        Assert.Equal(_layer, await ReadAsync($"mirror/team/app/blobs/{Blob}"));
        await Eventually.TrueAsync(() => Task.FromResult(File.Exists(Cached)), () => _gateway.Log);
    }

    private async Task<byte[]> ReadAsync(string path)
    {
        using var answer = await _raw.GetAsync($"/v2/{path}", ("Accept", OciLayout.ImageManifest));
        await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
        return await answer.Content.ReadAsByteArrayAsync();
    }

    // Fails on a whole answer; 0 for a broken connection.
    private async Task<int> StatusOfDamagedAsync(string path)
    {
        try
        {
            using var answer = await _raw.GetAsync($"/v2/{path}", ("Accept", OciLayout.ImageManifest));
            var body = await answer.Content.ReadAsByteArrayAsync();
            var status = (int)answer.StatusCode;
            Assert.True(status >= 500, $"{path}: expected no whole answer, got {status}, {body.Length} bytes");
            return status;
        }
        catch (HttpRequestException)
        {
            return 0;
        }
    }

    [Fact]
    public async Task Scrub_fetches_a_damaged_cached_blob_again_so_that_it_survives_an_outage_of_the_upstream()
    {
        await PullAsync();
        Rot(Cached);

        var healed = (await ScrubAsync()).Succeeded();

        Assert.Contains($"cached {Blob}", healed.Stdout, StringComparison.Ordinal);
        Assert.Contains("fetched again", healed.Stdout, StringComparison.Ordinal);
        Assert.Equal(_layer, await File.ReadAllBytesAsync(Cached));
        await _registry.StopAsync();
        Assert.Equal(_layer, await ReadAsync($"mirror/team/app/blobs/{Blob}"));
        Rot(Cached);
        var failed = (await ScrubAsync()).Failed();
        Assert.Contains("removed; the next pull fetches it again (mirror/team/app:", failed.Stdout, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scrub_heals_a_damaged_pushed_blob_from_the_upstream_that_gave_it_and_reports_one_that_no_upstream_gave()
    {
        await PullAsync();
        await _raw.ImageAsync("team/app", "1", _layer);
        var own = OciLayout.Noise(8, 100_000);
        await _raw.ImageAsync("team/own", "1", own);
        Rot(Pushed);
        Rot(Cached);
        Rot(Data("docker/registry/v2", Described.Sha256(own)));

        var report = (await ScrubAsync()).Failed().Stdout;

        Assert.Matches($"pushed {Blob} .*; healed", report);
        Assert.Matches($"pushed {Described.Sha256(own)} .*; set aside \\(no upstream is known to have it\\)\n", report);
        Assert.Matches("  needed by team/own@.* \\(1\\)", report);
        Assert.Equal(_layer, await ReadAsync($"team/app/blobs/{Blob}"));
        Assert.Equal(503, await StatusOfDamagedAsync($"team/own/blobs/{Described.Sha256(own)}"));
    }

    [Fact]
    public async Task Blob_and_manifest_that_the_disk_cannot_read_are_never_whole_answers_and_are_served_again_when_it_can()
    {
        var manifest = Described.Sha256(await _raw.ImageAsync("team/app", "1", _layer));
        // A manifest is in memory until then.
        await _gateway.Server.StopAsync();
        await _gateway.StartAgainAsync();
        var file = Data("docker/registry/v2", manifest);
        await using (await FailingKernel.AttachAsync(
            _gateway.Server.Id, Reads, "EIO", Pushed, file, Aside(Blob), Aside(manifest)))
        {
            await StatusOfDamagedAsync($"team/app/manifests/{manifest}");
            await StatusOfDamagedAsync($"team/app/blobs/{Blob}");
            await Eventually.TrueAsync(
                () => Task.FromResult(File.Exists(Aside(Blob)) && File.Exists(Aside(manifest))), () => $"not set aside\n{_gateway.Log}");
            Assert.Equal(503, await StatusOfDamagedAsync($"team/app/manifests/{manifest}"));
            Assert.Equal(503, await StatusOfDamagedAsync($"team/app/blobs/{Blob}"));
            var report = (await ScrubAsync()).Failed().Stdout;
            Assert.Matches($"pushed {Blob} .*was set aside earlier; set aside", report);
        }
        var healed = (await ScrubAsync()).Succeeded().Stdout;
        Assert.Contains("could not be read earlier, and is whole; healed", healed, StringComparison.Ordinal);
        Assert.Equal(manifest, Described.Sha256(await ReadAsync("team/app/manifests/1")));
        Assert.Equal(_layer, await ReadAsync($"team/app/blobs/{Blob}"));
    }
}
