using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>podman fetches parts of a zstd:chunked layer, by requests with many ranges.</summary>
public sealed class PartialPullTests : IAsyncLifetime
{
    private const int Files = 40;
    private const int FileLength = 60_000;

    private readonly Client _client = new();
    private readonly Podman _podman;
    private DockerRegistry _origin = null!;
    private GatewayProcess _gateway = null!;

    public PartialPullTests() => _podman = new Podman(_client, partial: true);

    public async ValueTask InitializeAsync()
    {
        _origin = await DockerRegistry.StartAsync();
        _gateway = await GatewayProcess.StartAsync($$"""upstreams: { corp: { url: "http://{{_origin.Host}}" } }""");
    }

    [Fact]
    public async Task Second_version_of_an_image_costs_its_client_the_changed_files_and_the_upstream_one_get()
    {
        await PushAsync("1", changed: []);
        var layer = await PushAsync("2", changed: [3, 17, 31]);
        await _podman.ForgetAsync();
        (await _podman.PullAsync($"{_gateway.Host}/corp/team/app:1", "--tls-verify=false")).Succeeded();

        (await _podman.PullAsync($"{_gateway.Host}/corp/team/app:2", "--tls-verify=false")).Succeeded();

        var sent = await BytesSentAsync(layer);
        Assert.InRange(sent, 3 * FileLength, Files * FileLength / 2);
        Assert.Single(
            await _origin.SettledAsync(),
            asked => asked.Agent == "gateway" && asked.Request == $"GET /v2/team/app/blobs/{layer}");
        await ContentIsAsync("2", changed: [3, 17, 31]);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _origin.DisposeAsync();
        _client.Dispose();
    }

    /// <summary>Pushes an image with many files as podman's zstd:chunked layers; returns the digest of its layer.</summary>
    private async Task<string> PushAsync(string tag, int[] changed)
    {
        var layout = new OciLayout(_client.Folder[$"image-{tag}"]);
        var image = layout.AddOneLayer("amd64", FilesOf(changed));
        layout.Tag(tag, image);
        (await _client.CraneAsync("push", "--insecure", layout.Root, $"{_origin.Host}/team/plain:{tag}")).Succeeded();
        (await _podman.PullAsync($"{_origin.Host}/team/plain:{tag}", "--tls-verify=false")).Succeeded();
        (await _podman.RunAsync(
            "push", "--quiet", "--tls-verify=false", "--compression-format", "zstd:chunked", "--force-compression",
            $"{_origin.Host}/team/plain:{tag}", $"{_origin.Host}/team/app:{tag}")).Succeeded();
        var printed = (await _client.CraneAsync("manifest", "--insecure", $"{_origin.Host}/team/app:{tag}")).Succeeded();
        var manifest = JsonNode.Parse(printed.Stdout)!;
        return manifest["layers"]!.AsArray().Single()!["digest"]!.GetValue<string>();
    }

    // Not in a folder: podman may open a file before it has made a folder that has no entry of its own.
    private static (string Name, byte[] Content)[] FilesOf(int[] changed) =>
        [.. Enumerable.Range(0, Files).Select(i => ($"data-{i}", Content(i, changed)))];

    private static byte[] Content(int file, int[] changed) => OciLayout.Noise(changed.Contains(file) ? file + 1000 : file, FileLength);

    /// <summary>What podman received of a blob, by the gateway's access log.</summary>
    private async Task<long> BytesSentAsync(string digest)
    {
        long[] sent = [];
        await Eventually.TrueAsync(
            () =>
            {
                sent = [.. _gateway.Server.Output.Where(line => line.StartsWith('{') && line.Contains(digest, StringComparison.Ordinal))
                    .Select(line => JsonNode.Parse(line)!["bytesSent"]!.GetValue<long>())];
                return Task.FromResult(sent.Length >= 2);
            },
            () => $"fewer than two requests of {digest}:\n{_gateway.Log}");
        return sent.Sum();
    }

    private async Task ContentIsAsync(string tag, int[] changed)
    {
        var mounted = (await _podman.RunAsync("image", "mount", $"{_gateway.Host}/corp/team/app:{tag}")).Succeeded().Stdout.Trim();
        try
        {
            Assert.All(Enumerable.Range(0, Files), i => Assert.Equal(Content(i, changed), File.ReadAllBytes($"{mounted}/data-{i}")));
        }
        finally
        {
            (await _podman.RunAsync("image", "unmount", "--all", "--force")).Succeeded();
        }
    }
}
