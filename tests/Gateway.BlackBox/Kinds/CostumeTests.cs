using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox.Kinds;

/// <summary>
/// Compares the kind of a manifest with what real clients do with it: what any client unpacks as a file system is not evidence, and what a
/// client that checks types unpacks is an image. Runs <c>GATEWAY_COSTUMES</c> random manifests, by default a few.
/// </summary>
public sealed class CostumeTests : IAsyncLifetime
{
    private const string Repository = "kinds/app";

    private static readonly int Count =
        int.TryParse(Environment.GetEnvironmentVariable("GATEWAY_COSTUMES"), CultureInfo.InvariantCulture, out var count) ? count : 6;

    private UnpackingClients _clients = null!;
    private GatewayProcess _gateway = null!;
    private RawClient _raw = null!;

    public async ValueTask InitializeAsync()
    {
        // The warning of a separate rule shows each kind; each rule requires something that never exists.
        var rules = ((string[])["image", "artifact", "evidence"]).Select(static kind => $$"""
            { id: {{kind}}, match: { repos: ["**"], kinds: [{{kind}}] }, mode: warn, require: { annotations: { no.such: { glob: "x" } } } }
            """);
        _gateway = await GatewayProcess.StartAsync($$"""
            policy:
              default: allow
              rules: [{{string.Join(",\n      ", rules)}}]
            """);
        _raw = new RawClient(_gateway.Host);
        _clients = await UnpackingClients.StartAsync();
    }

    [Fact]
    public async Task Manifest_that_a_client_unpacks_is_evaluated_as_an_image()
    {
        var corpus = new CostumeCorpus(seed: 1);
        Costumed[] manifests = [.. corpus.Known(), .. Enumerable.Range(0, Count).Select(_ => corpus.Next())];
        var kinds = new Dictionary<string, string>();
        foreach (var manifest in manifests) kinds[manifest.Tag] = await PushAsync(manifest);

        var unpacked = new ConcurrentBag<(Costumed Manifest, string Client)>();
        await Parallel.ForEachAsync(_clients.All, async (client, _) =>
        {
            foreach (var manifest in manifests)
            {
                if (await client.Value($"{_gateway.Host}/{Repository}:{manifest.Tag}")) unpacked.Add((manifest, client.Key));
            }
        });

        foreach (var client in _clients.All.Keys)
        {
            var counts = manifests.GroupBy(m => kinds[m.Tag]).Select(g =>
                $"{unpacked.Count(u => u.Client == client && kinds[u.Manifest.Tag] == g.Key)} of {g.Count()} of kind {g.Key}");
            TestContext.Current.TestOutputHelper?.WriteLine($"{client} unpacked {string.Join(", ", counts)}");
        }
        var wrong = unpacked.Where(u => kinds[u.Manifest.Tag] is var kind
            && (UnpackingClients.LooksAtNoType(u.Client) ? kind == "evidence" : kind != "image"));
        Assert.True(
            !wrong.Any(), string.Join('\n', wrong.Select(u => $"{u.Client} unpacks {kinds[u.Manifest.Tag]} {u.Manifest.Description}")));
        // The first is an image, which every client but oras unpacks; the next three are real evidence.
        Assert.Equal(
            _clients.All.Keys.Where(static c => c != "oras").Order(),
            unpacked.Where(u => u.Manifest == manifests[0]).Select(static u => u.Client).Order());
        Assert.Contains(unpacked, static u => u.Client == "oras");
        Assert.All(manifests[1..4], manifest => Assert.Equal("evidence", kinds[manifest.Tag]));
        Assert.Equal("artifact", kinds[manifests.Single(static m => m.Description.StartsWith("a chart", StringComparison.Ordinal)).Tag]);
    }

    // Pushes it, and returns the kind that the gateway found: by digest, because evidence is an artifact under a tag of images.
    private async Task<string> PushAsync(Costumed manifest)
    {
        foreach (var blob in manifest.Blobs) await _raw.BlobAsync(Repository, blob, "application/octet-stream");
        using var tagged = await _raw.PushManifestAsync(Repository, manifest.Tag, manifest.Bytes, manifest.MediaType);
        await RawClient.ExpectAsync(tagged, HttpStatusCode.Created);
        using var pushed =
            await _raw.PushManifestAsync(Repository, Described.Sha256(manifest.Bytes), manifest.Bytes, manifest.MediaType);
        await RawClient.ExpectAsync(pushed, HttpStatusCode.Created);
        var warning = string.Join(' ', pushed.Headers.GetValues("Warning"));
        return ((string[])["image", "artifact", "evidence"]).Single(kind => warning.Contains($"rule '{kind}'", StringComparison.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        await _clients.DisposeAsync();
        _raw.Dispose();
        await _gateway.DisposeAsync();
    }
}
