using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.BlackBox.Rig;

/// <summary>
/// A gateway with built-in storage, a pull-through route and two fronted routes for one registry, and a request for each flush that can
/// fail.
/// </summary>
public abstract class FlushScenario : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly byte[] _layer = OciLayout.Noise(1, 100_000);
    private protected DockerRegistry Registry { get; private set; } = null!;

    private protected GatewayProcess Gateway { get; private set; } = null!;

    private protected RawClient Raw { get; private set; } = null!;

    private byte[] _image = [];
    private int _seed;

    public async ValueTask InitializeAsync()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _folder.Write("release.pub", key.ExportSubjectPublicKeyInfoPem());
        Registry = await DockerRegistry.StartAsync();
        Gateway = await GatewayProcess.StartAsync($$"""
            upstreams:
              corp: { url: "{{Registry.Url}}" }
              sync: { url: "{{Registry.Url}}" }
              later: { url: "{{Registry.Url}}" }
            routes:
              - { prefix: "", storage: built-in }
              - { prefix: mirror, upstream: corp }
              - { prefix: sync, upstream: sync, push: forward }
              - { prefix: later, upstream: later, push: forward, forward: async }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{_folder["release.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules:
                - { id: held, match: { repos: ["held/**"] }, require: { signatures: [{ authority: release }] }, onMissing: quarantine }
            """);
        Raw = new RawClient(Gateway.Host);
        _image = await Raw.ImageAsync("team/app", "kept", _layer);
    }

    public async ValueTask DisposeAsync()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed && Gateway is not null)
            TestContext.Current.TestOutputHelper?.WriteLine(Gateway.Log);
        Raw?.Dispose();
        if (Gateway is not null) await Gateway.DisposeAsync();
        if (Registry is not null) await Registry.DisposeAsync();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>One request, and the flush that fails during it.</summary>
    private protected sealed record Step(string Call, string[] Paths, Func<Task<HttpResponseMessage>> Act);

    private protected async Task<Step> NewSegmentAsync()
    {
        // Ends the current segment of the journal.
        await Gateway.Server.StopAsync();
        await Gateway.StartAgainAsync();
        var blob = OciLayout.Noise(++_seed, 1000);
        var location = await Raw.OpenUploadAsync("team/app");
        return new Step("fsync", [$"{Gateway.Storage}/gateway/journal"], () => PutAsync(location, blob));
    }

    private protected async Task<Step> UploadDataAsync()
    {
        var (location, data, blob) = await UploadAsync();
        return new Step("fsync,fdatasync", [data], () => PutAsync(location, blob));
    }

    private protected async Task<Step> UploadFolderAsync()
    {
        var (location, data, blob) = await UploadAsync();
        return new Step("fsync", [Path.GetDirectoryName(data)!], () => PutAsync(location, blob));
    }

    private protected async Task<Step> LinkedBlobAsync()
    {
        await Raw.BlobAsync("team/app", OciLayout.Noise(++_seed, 10), OciLayout.GzipLayer);
        var (location, _, blob) = await UploadAsync();
        return OfJournal(() => PutAsync(location, blob));
    }

    private protected async Task<Step> TagAsync()
    {
        var (name, manifest) = await ManifestAsync("team/app");
        return OfJournal(() => Raw.PushManifestAsync("team/app", name, manifest));
    }

    private protected async Task<Step> LargeManifestAsync()
    {
        var (name, manifest) = await ManifestAsync("team/app", 100_000);
        // The name under which a file is written before it is moved: a number that counts up from the start.
        var paths = Enumerable.Range(1, 200).Select(n => $"{Gateway.Storage}/gateway/tmp/{n}").ToArray();
        return new Step("fsync,fdatasync", paths, () => Raw.PushManifestAsync("team/app", name, manifest));
    }

    private protected async Task<Step> LargeManifestNameAsync()
    {
        var (name, manifest) = await ManifestAsync("team/app", 100_000);
        return new Step("fsync", [BlobFolder(manifest)], () => Raw.PushManifestAsync("team/app", name, manifest));
    }

    private protected async Task<Step> MountAsync()
    {
        var blob = OciLayout.Noise(++_seed, 1000);
        using (var there = new RawClient(Registry.Host))
            await there.ImageAsync("team/app", $"{_seed}", blob);
        using (await Raw.GetAsync($"/v2/mirror/team/app/manifests/{_seed}")) { }
        var digest = Described.Sha256(blob);
        await AssertPulledAsync(digest);
        await Eventually.TrueAsync(
            () => Task.FromResult(File.Exists($"{Gateway.Storage}/gateway/cache/v2/blobs/sha256/{digest[7..9]}/{digest[7..]}/data")),
            () => "the fetched blob was not kept");
        var mount = $"/v2/team/app/blobs/uploads/?mount={digest}&from=mirror/team/app";
        return new Step("fsync", [BlobFolder(blob)], () => Raw.SendAsync(HttpMethod.Post, mount, RawClient.Body([])));
    }

    private protected async Task<Step> DeletedTagAsync()
    {
        var (name, manifest) = await ManifestAsync("team/app");
        using (await Raw.PushManifestAsync("team/app", name, manifest)) { }
        return OfJournal(() => Raw.DeleteAsync($"/v2/team/app/manifests/{name}"));
    }

    private protected async Task<Step> DeletedManifestAsync()
    {
        var (name, manifest) = await ManifestAsync("team/app");
        using (await Raw.PushManifestAsync("team/app", name, manifest)) { }
        return OfJournal(() => Raw.DeleteAsync($"/v2/team/app/manifests/{Described.Sha256(manifest)}"));
    }

    private protected async Task<Step> DeletedBlobAsync()
    {
        var blob = await Raw.BlobAsync("team/app", OciLayout.Noise(++_seed, 100), OciLayout.GzipLayer);
        return OfJournal(() => Raw.DeleteAsync($"/v2/team/app/blobs/{blob.Digest}"));
    }

    private protected async Task<Step> HeldAsync()
    {
        var (name, manifest) = await ManifestAsync("held/app");
        return OfJournal(() => Raw.PushManifestAsync("held/app", name, manifest));
    }

    private protected async Task<Step> PromotedAsync()
    {
        var (name, manifest) = await ManifestAsync("stage/app");
        using (await Raw.PushManifestAsync("stage/app", name, manifest)) { }
        var body = Encoding.UTF8.GetBytes($$"""{"from":"stage/app:{{name}}","to":"prod/app:{{name}}"}""");
        return OfJournal(() => Raw.SendAsync(HttpMethod.Post, "/-/promote", RawClient.Body(body, "application/json")));
    }

    private protected async Task<Step> StagedBlobAsync()
    {
        await Raw.BlobAsync("team/app", OciLayout.Noise(++_seed, 10), OciLayout.GzipLayer);
        var blob = OciLayout.Noise(++_seed, 1000);
        var location = await Raw.OpenUploadAsync("sync/team/app");
        return OfJournal(() => PutAsync(location, blob));
    }

    private protected async Task<Step> ForwardedLaterAsync()
    {
        var (name, manifest) = await ManifestAsync("later/team/app");
        return OfJournal(() => Raw.PushManifestAsync("later/team/app", name, manifest));
    }

    private Step OfJournal(Func<Task<HttpResponseMessage>> act) => new("fsync,fdatasync", [Segments()[^1]], act);

    private async Task<(string Location, string Data, byte[] Blob)> UploadAsync()
    {
        var uploads = $"{Gateway.Storage}/gateway/uploads";
        var earlier = Directory.GetFiles(uploads);
        var location = await Raw.OpenUploadAsync("team/app");
        var data = Directory.GetFiles(uploads, "*.data").Except(earlier).Single();
        return (location, data, OciLayout.Noise(++_seed, 100_000));
    }

    private Task<HttpResponseMessage> PutAsync(string location, byte[] blob) =>
        Raw.SendAsync(HttpMethod.Put, RawClient.WithDigest(location, Described.Sha256(blob)), RawClient.Body(blob));

    /// <summary>A manifest whose blobs are stored, and a tag for it.</summary>
    private async Task<(string Tag, byte[] Bytes)> ManifestAsync(string repository, int length = 100)
    {
        var config = await Raw.BlobAsync(repository, Encoding.UTF8.GetBytes($"config {++_seed}"), OciLayout.ImageConfig);
        return ($"t{_seed}", Manifest(config, length));
    }

    /// <summary>Pushes a manifest that uses 60 kB of the journal; false when it is refused.</summary>
    private protected async Task<bool> TryPushAsync(Described config, List<string> pushed)
    {
        var manifest = Manifest(config, 60_000);
        using var answer = await Raw.PushManifestAsync("team/app", $"t{++_seed}", manifest);
        if (answer.StatusCode == HttpStatusCode.ServiceUnavailable) return false;
        await RawClient.ExpectAsync(answer, HttpStatusCode.Created);
        pushed.Add(Described.Sha256(manifest));
        return true;
    }

    private byte[] Manifest(Described config, int length)
    {
        var manifest = JsonNode.Parse(RawClient.Manifest(config))!;
        manifest["annotations"] = new JsonObject { ["filler"] = new string('a', length), ["seed"] = $"{_seed}" };
        return OciLayout.Bytes(manifest);
    }

    private protected string[] Segments() => [.. Directory.GetFiles($"{Gateway.Storage}/gateway/journal").Order(StringComparer.Ordinal)];

    private protected long JournalBytes() => Segments().Sum(segment => new FileInfo(segment).Length);

    private string BlobFolder(byte[] bytes)
    {
        var hex = Described.Sha256(bytes)[7..];
        return $"{Gateway.Storage}/docker/registry/v2/blobs/sha256/{hex[..2]}/{hex}";
    }

    private protected async Task AssertKeptAsync()
    {
        using var manifest = await Raw.GetAsync("/v2/team/app/manifests/kept");
        Assert.Equal(_image, await manifest.Content.ReadAsByteArrayAsync());
        using var blob = await Raw.GetAsync($"/v2/team/app/blobs/{Described.Sha256(_layer)}");
        Assert.Equal(_layer, await blob.Content.ReadAsByteArrayAsync());
    }

    private protected async Task AssertPulledAsync(string digest)
    {
        using var blob = await Raw.GetAsync($"/v2/mirror/team/app/blobs/{digest}");
        await RawClient.ExpectAsync(blob, HttpStatusCode.OK);
        Assert.Equal(digest, Described.Sha256(await blob.Content.ReadAsByteArrayAsync()));
    }

    private protected async Task AssertTakesNoWritesAsync(string name)
    {
        using var http = new HttpClient { BaseAddress = Gateway.Operator };
        using var ready = await http.GetAsync("/readyz");
        Assert.True((int)ready.StatusCode == 503, $"{name}: expected 503 from /readyz, got {(int)ready.StatusCode}");
        Assert.Contains("restart", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("gateway_disk_writable 0", await http.GetStringAsync("/metrics"), StringComparison.Ordinal);
        using var refused = await Raw.SendAsync(HttpMethod.Post, "/v2/team/app/blobs/uploads/", RawClient.Body([]));
        await RawClient.ExpectErrorAsync(refused, 503, "UNAVAILABLE");
    }
}
