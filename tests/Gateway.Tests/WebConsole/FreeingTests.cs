using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>What is own and what is shared, and what a deletion frees.</summary>
public sealed class FreeingTests : IAsyncLifetime
{
    // Bytes of the config that every image here has.
    private const int Config = 2;

    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Deletion_frees_what_no_other_tag_and_no_other_repository_needs()
    {
        await PushAsync("team/app", "a", (1, 5000), (2, 700), (3, 90));
        await PushAsync("team/app", "b", (2, 700));
        await PushAsync("other/app", "x", (3, 90));

        var plan = await ReadAsync("deletion?repository=team/app&tag=a");

        Assert.Equal("afterTrash", (string?)plan["freed"]);
        Assert.Equal((5000, 790 + Config, false), ((long)plan["bytes"]!, (long)plan["sharedBytes"]!, (bool)plan["isEstimate"]!));
        var both = await ReadAsync("deletion?repository=team/app&tag=a&tag=b");
        Assert.Equal((5700, 90 + Config), ((long)both["bytes"]!, (long)both["sharedBytes"]!));
    }

    [Fact]
    public async Task Tag_of_the_same_manifest_keeps_all_of_it()
    {
        await PushAsync("team/app", "a", (1, 5000));
        await PushAsync("team/app", "b", (1, 5000));

        Assert.Equal(0, (long)(await ReadAsync("deletion?repository=team/app&tag=a"))["bytes"]!);
        Assert.Equal(5000, (long)(await ReadAsync("deletion?repository=team/app&tag=a&tag=b"))["bytes"]! - Config);
    }

    [Fact]
    public async Task Image_below_an_index_that_stays_is_not_freed()
    {
        var (shared, own) = (await PushAsync("team/app", "shared", (1, 5000)), await PushAsync("team/app", "own", (2, 700)));
        await PushIndexAsync("one", shared, own);
        await PushIndexAsync("two", shared);
        foreach (var tag in (string[])["shared", "own"]) (await _rig.SendAsync("DELETE", $"/v2/team/app/manifests/{tag}")).Dispose();

        Assert.Equal(700, (long)(await ReadAsync("deletion?repository=team/app&tag=one"))["bytes"]!);
        Assert.Equal(0, (long)(await ReadAsync("deletion?repository=team/app&tag=two"))["bytes"]!);
        Assert.Equal(5700, (long)(await ReadAsync("deletion?repository=team/app&tag=one&tag=two"))["bytes"]! - Config);
    }

    [Fact]
    public async Task Repositories_and_tags_are_ordered_by_what_deleting_frees()
    {
        await PushAsync("big/shared", "v1", (1, 90_000));
        await PushAsync("big/too", "v1", (1, 90_000), (2, 100));
        await PushAsync("small/own", "few", (3, 3000));
        await PushAsync("small/own", "more", (4, 4000));

        JsonNode page = new JsonObject();
        await Patience.UntilAsync(
            async () => (page = await ReadAsync("repositories?sort=own"))["items"]!.AsArray().Count == 3, () => $"{page}");
        var tags = await ReadAsync("tags?repository=small/own&sort=own");

        Assert.Equal(["small/own", "big/too", "big/shared"], page["items"]!.AsArray().Select(static row => (string)row!["name"]!));
        var first = page["items"]![0]!;
        Assert.InRange((long)first["ownBytes"]!, 7000, 9000);
        Assert.InRange((long)page["items"]![2]!["sharedBytes"]!, 90_000, 91_000);
        Assert.Equal(
            [("more", 4000), ("few", 3000)],
            tags["items"]!.AsArray().Select(static row => ((string)row!["tag"]!, (int)row["ownBytes"]!)));
    }

    private async Task<Digest> PushAsync(string repository, string tag, params (int Seed, int Length)[] layers)
    {
        await _rig.PushBlobAsync(repository, "{}"u8.ToArray());
        var blobs = layers.Select(static layer => Bytes(layer.Seed, layer.Length)).ToArray();
        foreach (var blob in blobs) await _rig.PushBlobAsync(repository, blob);
        return await PutAsync(repository, tag, MediaTypes.OciManifest, new
        {
            schemaVersion = 2, mediaType = MediaTypes.OciManifest, artifactType = "application/vnd.test",
            config = new { mediaType = MediaTypes.OciEmpty, digest = Digest.Of("{}"u8).ToString(), size = Config },
            layers = blobs.Select(static blob => new
            {
                mediaType = "application/vnd.test.layer", digest = Digest.Of(blob).ToString(), size = blob.Length,
            }),
        });
    }

    private async Task PushIndexAsync(string tag, params Digest[] images)
    {
        var entries = new List<object>();
        foreach (var image in images)
        {
            using var answer = await _rig.SendAsync("GET", $"/v2/team/app/manifests/{image}");
            var size = (await answer.Content.ReadAsByteArrayAsync()).Length;
            entries.Add(new { mediaType = MediaTypes.OciManifest, digest = image.ToString(), size });
        }
        await PutAsync("team/app", tag, MediaTypes.OciIndex, new
        {
            schemaVersion = 2, mediaType = MediaTypes.OciIndex, manifests = entries, annotations = new { tag },
        });
    }

    private async Task<Digest> PutAsync(string repository, string tag, string type, object manifest)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(manifest);
        using var answer = await _rig.PutManifestAsync(repository, tag, bytes, type);
        Assert.Equal(201, (int)answer.StatusCode);
        return Digest.Of(bytes);
    }

    private static byte[] Bytes(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private async Task<JsonNode> ReadAsync(string page) =>
        JsonNode.Parse(await _rig.Client.GetStringAsync(new Uri(_rig.Operator, $"/api/v1/pages/{page}")))!;
}
