using System.Diagnostics;
using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A volume without free space: a tmpfs of 64 MiB.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly bool _mounted;

    public FullDiskTests()
    {
        Directory.CreateDirectory(Volume);
        _mounted = Run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", Volume);
    }

    private string Volume => _folder["volume"];

    private string Filler => Path.Combine(Volume, "filler");

    [Fact]
    public async Task Pushes_fail_clearly_and_pulls_go_on_until_there_is_room_again()
    {
        Assert.SkipUnless(_mounted, "Mounting a small tmpfs failed; run the tests as root.");
        await using var gateway = await GatewayProcess.StartAsync(Cache, Volume);
        using var raw = new RawClient(gateway.Host);
        var layer = OciLayout.Noise(1, 1 << 20);
        var image = await raw.ImageAsync("team/app", "1", layer);
        var next = OciLayout.Noise(2, 2 << 20);

        Fill();
        await AssertRefusedAsync(() => PushWholeAsync(raw, next));
        await AssertRefusedAsync(() => PushInChunksAsync(raw, next));
        await AssertRefusedAsync(() => raw.PushManifestAsync("team/app", "2", RawClient.Manifest(
            Described.Of("{}"u8.ToArray(), OciLayout.ImageConfig), Described.Of(layer, OciLayout.GzipLayer),
            Described.Of(layer, OciLayout.GzipLayer))));
        await AssertServedAsync(raw, image, layer);
        using (var partial = await raw.GetAsync($"/v2/team/app/blobs/{Described.Sha256(next)}"))
            await RawClient.ExpectErrorAsync(partial, 404, "BLOB_UNKNOWN");

        File.Delete(Filler);
        await Eventually.TrueAsync(
            async () =>
            {
                using var pushed = await PushWholeAsync(raw, next);
                return pushed.StatusCode == HttpStatusCode.Created;
            },
            () => $"Pushes did not recover:\n{gateway.Log}");
        await raw.ImageAsync("team/app", "2", next);
        await AssertServedAsync(raw, image, layer);
    }

    [Fact]
    public async Task Gateway_starts_on_a_full_volume_and_serves_it()
    {
        Assert.SkipUnless(_mounted, "Mounting a small tmpfs failed; run the tests as root.");
        await using var gateway = await GatewayProcess.StartAsync(Cache, Volume);
        using var raw = new RawClient(gateway.Host);
        var layer = OciLayout.Noise(1, 1 << 20);
        var image = await raw.ImageAsync("team/app", "1", layer);
        await gateway.Server.KillAsync();

        Fill();
        await gateway.StartAgainAsync(health: "/livez");

        await AssertServedAsync(raw, image, layer);
    }

    public void Dispose()
    {
        if (_mounted)
            Run("umount", "-l", Volume);
        _folder.Dispose();
    }

    /// <summary>The defaults reserve 1 GiB of the volume, which is larger than this volume.</summary>
    private const string Cache = "cache: { maxSize: 16MiB, keepFree: 1MiB }";

    private static async Task AssertRefusedAsync(Func<Task<HttpResponseMessage>> push)
    {
        using var answer = await push();
        Assert.True((int)answer.StatusCode is >= 500 and < 600, $"expected 5xx, got {(int)answer.StatusCode}");
        await RawClient.ExpectErrorAsync(answer, (int)answer.StatusCode);
    }

    private static async Task AssertServedAsync(RawClient raw, byte[] image, byte[] layer)
    {
        using var manifest = await raw.GetAsync("/v2/team/app/manifests/1");
        Assert.Equal(image, await manifest.Content.ReadAsByteArrayAsync());
        using var blob = await raw.GetAsync($"/v2/team/app/blobs/{Described.Sha256(layer)}");
        Assert.Equal(Described.Sha256(layer), Described.Sha256(await blob.Content.ReadAsByteArrayAsync()));
    }

    // Whichever step is refused first determines the answer.
    private static Task<HttpResponseMessage> PushInChunksAsync(RawClient raw, byte[] bytes) =>
        PushAsync(raw, location => raw.SendAsync(HttpMethod.Patch, location, RawClient.Chunk(bytes, 0)));

    private static Task<HttpResponseMessage> PushWholeAsync(RawClient raw, byte[] bytes) =>
        PushAsync(
            raw, location => raw.SendAsync(HttpMethod.Put, RawClient.WithDigest(location, Described.Sha256(bytes)), RawClient.Body(bytes)));

    private static async Task<HttpResponseMessage> PushAsync(RawClient raw, Func<string, Task<HttpResponseMessage>> send)
    {
        var opened = await raw.SendAsync(HttpMethod.Post, "/v2/team/app/blobs/uploads/", RawClient.Body([]));
        if (opened.StatusCode != HttpStatusCode.Accepted)
            return opened;
        using (opened)
            return await send(opened.Headers.Location!.OriginalString);
    }

    private void Fill()
    {
        var block = new byte[64 << 10];
        using var file = new FileStream(Filler, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            while (true)
                file.Write(block);
        }
        catch (IOException)
        {
            // Filled to the last page.
        }
    }

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
