using Gateway.Storage.Tests;
using System.Text;
using System.Text.Json;
using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>
/// Files of content that another program or the disk has changed: what was pushed is not served and can be pushed again, what was fetched
/// is fetched again.
/// </summary>
public sealed class DamagedContentTests
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(100_000, seed: 5);

    /// <summary>How the file is changed, and when: under an open handle, after a stop, after a stop that cost the index.</summary>
    public static TheoryData<string, string> Damages => new(
        from how in (string[])["truncated", "empty", "longer", "removed"]
        from moment in (string[])["running", "stopped", "without index"]
        select (how, moment));

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Damaged_pushed_blob_is_503_for_pullers_and_404_for_pushers_until_pushed_again(string how, string moment)
    {
        await using var rig = await GatewayRig.StartAsync();
        var blob = await rig.PushBlobAsync("team/app", Layer);
        await rig.PushBlobAsync("team/app", "{}"u8.ToArray());
        (await rig.PutManifestAsync("team/app", "v1", Manifest(blob))).EnsureSuccessStatusCode().Dispose();
        Assert.Equal(200, await StatusAsync(rig, "GET", $"/v2/team/app/blobs/{blob}"));

        await HarmAsync(rig, moment, () => Harm($"{rig.Storage}/docker/registry/v2", blob, how));

        // Without the index only the manifest knows how long it should be.
        Assert.Equal(200, await StatusAsync(rig, "GET", "/v2/team/app/manifests/v1"));
        Assert.Equal(how == "removed" ? 404 : 503, await StatusAsync(rig, "GET", $"/v2/team/app/blobs/{blob}"));
        Assert.Equal(404, await StatusAsync(rig, "HEAD", $"/v2/team/app/blobs/{blob}"));
        using (var refused = await rig.PutManifestAsync("team/app", "v2", Manifest(blob)))
            Assert.Equal((404, "MANIFEST_BLOB_UNKNOWN"), ((int)refused.StatusCode, await GatewayRig.ErrorCodeAsync(refused)));
        Assert.Equal(202, await StatusAsync(rig, "POST", $"/v2/team/other/blobs/uploads/?mount={blob}&from=team/app"));
        Assert.Equal(how != "removed", (await WarningAsync(rig))?.Contains(blob.ToString(), StringComparison.Ordinal) ?? false);

        await rig.PushBlobAsync("team/app", Layer);
        Assert.Equal(Layer, await rig.Client.GetByteArrayAsync($"/v2/team/app/blobs/{blob}"));
        using (var accepted = await rig.PutManifestAsync("team/app", "v2", Manifest(blob)))
            Assert.Equal(201, (int)accepted.StatusCode);
        Assert.Null(await WarningAsync(rig));
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Fetched_blob_is_fetched_again_and_never_mounted_as_it_is(string how, string moment)
    {
        await using var hub = await ScriptedUpstream.StartAsync("127.0.0.1", false);
        var image = hub.AddImage("library/app", "v1", Layer);
        var blob = Digest.Parse(image.Layers[0]);
        await using var rig = await PullingAsync(hub);
        Assert.Equal(200, await StatusAsync(rig, "GET", "/v2/hub/library/app/manifests/v1"));
        Assert.Equal(Layer, await rig.Client.GetByteArrayAsync($"/v2/hub/library/app/blobs/{blob}"));
        await Eventually(() => Path.Exists(Data(rig, "gateway/cache/v2", blob)));
        Assert.Equal(200, await StatusAsync(rig, "GET", $"/v2/hub/library/app/blobs/{blob}"));

        await HarmAsync(rig, moment, () => Harm($"{rig.Storage}/gateway/cache/v2", blob, how));
        Assert.Equal(200, await StatusAsync(rig, "GET", "/v2/hub/library/app/manifests/v1"));
        var gets = Gets();
        Assert.Equal(202, await StatusAsync(rig, "POST", $"/v2/team/own/blobs/uploads/?mount={blob}&from=hub/library/app"));
        Assert.Equal(gets, Gets());

        using var again = await rig.SendAsync("GET", $"/v2/hub/library/app/blobs/{blob}");
        Assert.Equal(Layer, await again.Content.ReadAsByteArrayAsync());
        Assert.Contains("fwd=", GatewayRig.Header(again, "Cache-Status"), StringComparison.Ordinal);
        Assert.Equal(gets + 1, Gets());
        await Eventually(() => Path.Exists(Data(rig, "gateway/cache/v2", blob)));
        using var hit = await rig.SendAsync("GET", $"/v2/hub/library/app/blobs/{blob}");
        Assert.Equal("gateway; hit", GatewayRig.Header(hit, "Cache-Status"));
        Assert.Equal(Layer, await hit.Content.ReadAsByteArrayAsync());
        Assert.Null(await WarningAsync(rig));

        int Gets() => hub.Count(request => request.IsGet && request.IsBlob(blob.ToString()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pushed_manifest_is_mended_by_a_push_without_a_restart(bool isLarge)
    {
        await using var rig = await GatewayRig.StartAsync();
        var blob = await rig.PushBlobAsync("team/app", "{}"u8.ToArray());
        // Above 64 KiB it is written beside the journal.
        var manifest = Manifest(blob, size: 2, isLarge ? new string('x', 70_000) : "");
        var digest = Digest.Of(manifest);
        (await rig.PutManifestAsync("team/app", "v1", manifest)).EnsureSuccessStatusCode().Dispose();
        await HarmAsync(rig, "stopped", () =>
        {
            var bytes = File.ReadAllBytes(Data(rig, "docker/registry/v2", digest));
            bytes[10] ^= 1;
            File.WriteAllBytes(Data(rig, "docker/registry/v2", digest), bytes);
        });

        foreach (var reference in (string[])["v1", digest.ToString()])
        {
            Assert.Equal(503, await StatusAsync(rig, "GET", $"/v2/team/app/manifests/{reference}"));
            Assert.Equal(404, await StatusAsync(rig, "HEAD", $"/v2/team/app/manifests/{reference}"));
        }
        Assert.Equal(404, await StatusAsync(rig, "GET", $"/v2/team/other/manifests/{digest}"));
        using (var refused = await rig.PutManifestAsync("team/app", "all", Index(digest, manifest.Length), MediaTypes.OciIndex))
            Assert.Equal((404, "MANIFEST_BLOB_UNKNOWN"), ((int)refused.StatusCode, await GatewayRig.ErrorCodeAsync(refused)));
        Assert.Contains(digest.ToString(), await WarningAsync(rig), StringComparison.Ordinal);

        (await rig.PutManifestAsync("team/app", "v1", manifest)).EnsureSuccessStatusCode().Dispose();
        Assert.Equal(manifest, await rig.Client.GetByteArrayAsync("/v2/team/app/manifests/v1"));
        Assert.Null(await WarningAsync(rig));
        await rig.StopAsync();
        await rig.StartAgainAsync();
        Assert.Equal(manifest, await rig.Client.GetByteArrayAsync($"/v2/team/app/manifests/{digest}"));
    }

    [Fact]
    public async Task Removed_manifest_is_missing_for_an_index_that_names_it()
    {
        await using var rig = await GatewayRig.StartAsync();
        var digest = await rig.PushManifestAsync("team/app", "v1");
        File.Delete(Data(rig, "docker/registry/v2", digest));

        var index = Index(digest, GatewayRig.ManifestBytes().Length);
        using (var refused = await rig.PutManifestAsync("team/app", "all", index, MediaTypes.OciIndex))
            Assert.Equal((404, "MANIFEST_BLOB_UNKNOWN"), ((int)refused.StatusCode, await GatewayRig.ErrorCodeAsync(refused)));
        await rig.PushManifestAsync("team/app", "v1");
        (await rig.PutManifestAsync("team/app", "all", index, MediaTypes.OciIndex)).EnsureSuccessStatusCode().Dispose();
        Assert.True(File.Exists(Data(rig, "docker/registry/v2", digest)));
    }

    [Fact]
    public async Task Fetched_manifest_is_fetched_again()
    {
        await using var hub = await ScriptedUpstream.StartAsync("127.0.0.1", false);
        var image = hub.AddImage("library/app", "v1", Layer);
        await using var rig = await PullingAsync(hub);
        Assert.Equal(200, await StatusAsync(rig, "GET", "/v2/hub/library/app/manifests/v1"));
        await HarmAsync(rig, "stopped", () => Harm($"{rig.Storage}/gateway/cache/v2", Digest.Parse(image.Digest), "truncated"));

        using var answer = await rig.SendAsync("GET", "/v2/hub/library/app/manifests/v1");
        Assert.Equal(image.Digest, Digest.Of(await answer.Content.ReadAsByteArrayAsync()).ToString());
        Assert.Null(await WarningAsync(rig));
    }

    [Fact]
    public async Task Link_with_a_wrong_size_still_serves_the_right_bytes()
    {
        await using var rig = await VolumeRig.OpenAsync();
        var kept = rig.Volume.Pushed(VolumeRig.Name);
        var blob = await VolumeRig.PushBlobAsync(kept, Layer);
        rig.Volume.Links.Write(kept, Gateway.Storage.LinkKind.Blob, blob, new(7, default, default));

        Assert.Equal(Encoding.UTF8.GetString(Layer), await VolumeRig.ReadAsync(kept, blob));
        Assert.Equal(Layer.Length, rig.Volume.Links.Find(kept, Gateway.Storage.LinkKind.Blob, blob)!.Value.Size);
        Assert.Equal(0, rig.Volume.Damage.Count);
    }

    private static Task<GatewayRig> PullingAsync(ScriptedUpstream hub) => GatewayRig.StartAsync(options => options with
    {
        Upstreams = options.Upstreams.Add("hub", new() { Key = "hub", Urls = [hub.Url] }),
        Routes = [new() { Prefix = "hub", Upstream = "hub" }, new() { Prefix = "" }],
    });

    private static async Task HarmAsync(GatewayRig rig, string moment, Action harm)
    {
        if (moment != "running") await rig.StopAsync();
        harm();
        if (moment == "without index") Directory.Delete($"{rig.Storage}/gateway/index", recursive: true);
        if (moment != "running") await rig.StartAgainAsync();
    }

    private static void Harm(string root, Digest digest, string how)
    {
        var file = $"{root}/blobs/{digest.AlgorithmName}/{digest.Hex[..2]}/{digest.Hex}/data";
        if (how == "removed") File.Delete(file);
        using var opened = how == "removed" ? null : new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        opened?.SetLength(how switch { "truncated" => opened.Length / 2, "empty" => 0, _ => opened.Length + 100 });
    }

    private static string Data(GatewayRig rig, string root, Digest digest) =>
        $"{rig.Storage}/{root}/blobs/{digest.AlgorithmName}/{digest.Hex[..2]}/{digest.Hex}/data";

    private static byte[] Manifest(Digest layer, int? size = null, string note = "") => Encoding.UTF8.GetBytes($$"""
        {"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","artifactType":"application/vnd.test","annotations":{"note":"{{note}}"},
        "config":{"mediaType":"{{MediaTypes.OciEmpty}}","digest":"{{Digest.Of("{}"u8)}}","size":2},
        "layers":[{"mediaType":"application/vnd.test","digest":"{{layer}}","size":{{size ?? Layer.Length}}}]}
        """);

    private static byte[] Index(Digest child, int size) => Encoding.UTF8.GetBytes($$"""
        {"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}",
        "manifests":[{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{child}}","size":{{size}}}]}
        """);

    private static async Task<int> StatusAsync(GatewayRig rig, string method, string path)
    {
        using var answer = await rig.SendAsync(method, path);
        await answer.Content.ReadAsByteArrayAsync();
        return (int)answer.StatusCode;
    }

    private static async Task<string?> WarningAsync(GatewayRig rig)
    {
        using var answer = JsonDocument.Parse(await rig.Client.GetStringAsync(new Uri(rig.Operator, "/readyz?verbose")));
        return answer.RootElement.GetProperty("warnings").TryGetProperty("content", out var text) ? text.GetString() : null;
    }

    // A fetch is put in its place after it was answered.
    private static Task Eventually(Func<bool> condition) => PullThrough.Rig.UntilAsync(condition);
}
