using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>The tree of repositories, and who uses the layers of an image.</summary>
public sealed class TreeAndUsesTests : IAsyncLifetime
{
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    /// <summary>A dash and a dot sort before the slash, so that the names below a part do not follow it at once.</summary>
    [Fact]
    public async Task Each_level_lists_its_parts_once_with_the_number_below()
    {
        string[] names = ["a", "a-b", "a-b/c", "a.d/e/f", "a/x", "a/y/z", "a/y/q", "b/x"];
        foreach (var name in names) await _rig.PushManifestAsync(name, "v1");

        Assert.Equal(["a:True:3", "a-b:True:1", "a.d:False:1", "b:False:1"], await LevelAsync(""));
        Assert.Equal(["a/x:True:0", "a/y:False:2"], await LevelAsync("?under=a"));
        Assert.Equal(["a/y/q:True:0", "a/y/z:True:0"], await LevelAsync("?under=a/y"));
        Assert.Empty(await LevelAsync("?under=absent"));
    }

    [Fact]
    public async Task Level_with_many_parts_has_pages_that_lose_none()
    {
        var names = Enumerable.Range(0, 210).Select(static i => $"team/app{i:000}").ToArray();
        foreach (var name in names) await _rig.PushManifestAsync(name, "v1");

        var listed = new List<string>();
        var page = await ReadAsync("tree?under=team");
        for (var pages = 0; ; page = await ReadAsync($"tree?under=team&last={page["next"]}"))
        {
            listed.AddRange(page["items"]!.AsArray().Select(static row => (string)row!["path"]!));
            if (page["next"] is null) break;
            // A busy machine may make the pages shorter.
            Assert.True(++pages < 210);
        }
        Assert.Equal(names, listed);
    }

    [Fact]
    public async Task Repositories_with_the_layers_of_an_image_are_listed_with_how_many_they_have()
    {
        await PushAsync("team/app", "one", "two", "three");
        await PushAsync("other/app", "one", "three", "four");
        await PushAsync("third/app", "five");

        var page = await ReadAsync("layers?repository=team/app&reference=v1");

        Assert.Equal(3, (int)page["layers"]!);
        Assert.Equal(
            [("other/app", 2, 8), ("team/app", 3, 11)],
            page["items"]!.AsArray().Select(static row => ((string)row!["repository"]!, (int)row["layers"]!, (int)row["bytes"]!)));
        Assert.Null(page["next"]);
    }

    private async Task<string[]> LevelAsync(string query) =>
    [
        .. (await ReadAsync($"tree{query}"))["items"]!.AsArray()
            .Select(static row => $"{row!["path"]}:{(bool)row["isRepository"]!}:{row["below"]}"),
    ];

    private async Task PushAsync(string repository, params string[] layers)
    {
        await _rig.PushBlobAsync(repository, "{}"u8.ToArray());
        foreach (var layer in layers) await _rig.PushBlobAsync(repository, System.Text.Encoding.UTF8.GetBytes(layer));
        var manifest = JsonSerializer.SerializeToUtf8Bytes(new
        {
            schemaVersion = 2, mediaType = MediaTypes.OciManifest, artifactType = "application/vnd.test",
            config = new { mediaType = MediaTypes.OciEmpty, digest = Digest.Of("{}"u8).ToString(), size = 2 },
            layers = layers.Select(static layer => new
            {
                mediaType = "application/vnd.test.layer", size = layer.Length,
                digest = Digest.Of(System.Text.Encoding.UTF8.GetBytes(layer)).ToString(),
            }),
        });
        using var answer = await _rig.PutManifestAsync(repository, "v1", manifest);
        Assert.Equal(201, (int)answer.StatusCode);
    }

    private async Task<JsonNode> ReadAsync(string page) =>
        JsonNode.Parse(await _rig.Client.GetStringAsync(new Uri(_rig.Operator, $"/api/v1/pages/{page}")))!;
}
