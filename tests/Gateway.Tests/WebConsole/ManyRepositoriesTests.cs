using System.Diagnostics;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>
/// Pages on a store with many repositories. GATEWAY_MANY sets their number: with 10000, which is too many for every run, a page must be
/// ready within 50 ms on a machine that does nothing else.
/// </summary>
public sealed class ManyRepositoriesTests
{
    private const int TagsOfEach = 10;

    private static int Number => int.TryParse(Environment.GetEnvironmentVariable("GATEWAY_MANY"), out var many) ? many : 500;

    [Fact]
    public async Task First_page_of_repositories_and_search_are_quick()
    {
        await using var rig = await GatewayRig.StartAsync(options =>
        {
            Fill(options.Storage.Path);
            return options;
        });
        // The first requests compile the code, and begin to read the names.
        for (var i = 0; i < 3; i++) await AskAsync(rig, "/repositories");

        foreach (var path in (string[])["/repositories", "/repositories?search=app00042", "/tags?repository=many/app00042"])
        {
            var times = new List<TimeSpan>();
            for (var i = 0; i < 9; i++) times.Add(await AskAsync(rig, path));
            times.Sort();
            TestContext.Current.TestOutputHelper?.WriteLine($"{Number} repositories, {path}: median {times[4].TotalMilliseconds:0.0} ms");
            Assert.True(times[4] < Patience.Of(1), $"{path}: {times[4]}");
        }
        using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, "/api/v1/pages/repositories"));
        var page = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal((50, "many/app00049"), (page["items"]!.AsArray().Count, (string)page["next"]!));
        Assert.Equal(TagsOfEach, (int)page["items"]![0]!["summary"]!["tags"]!);
    }

    private static async Task<TimeSpan> AskAsync(GatewayRig rig, string path)
    {
        var begun = Stopwatch.GetTimestamp();
        using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, path));
        await answer.Content.ReadAsByteArrayAsync();
        Assert.Equal(200, (int)answer.StatusCode);
        return Stopwatch.GetElapsedTime(begun);
    }

    // The layout of CNCF distribution, written as another program would: one manifest for all repositories, under ten tags in each.
    private static void Fill(string storage)
    {
        var root = Path.Combine(storage, "docker/registry/v2");
        var config = "{}"u8.ToArray();
        var text = $$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{"mediaType":"{{MediaTypes.OciEmpty}}","digest":"{{Digest.Of(config)}}","size":2},"layers":[]}
            """;
        var manifest = System.Text.Encoding.UTF8.GetBytes(text);
        Blob(root, config);
        Blob(root, manifest);
        for (var i = 0; i < Number; i++)
        {
            var repository = Path.Combine(root, $"repositories/many/app{i:00000}");
            Link(Path.Combine(repository, "_layers/sha256", Digest.Of(config).Hex.ToString()), config);
            Link(Path.Combine(repository, "_manifests/revisions/sha256", Digest.Of(manifest).Hex.ToString()), manifest);
            for (var t = 0; t < TagsOfEach; t++) Link(Path.Combine(repository, $"_manifests/tags/v{t}/current"), manifest);
        }
    }

    private static void Blob(string root, byte[] bytes)
    {
        var hex = Digest.Of(bytes).Hex.ToString();
        var folder = Directory.CreateDirectory(Path.Combine(root, "blobs/sha256", hex[..2], hex)).FullName;
        File.WriteAllBytes(Path.Combine(folder, "data"), bytes);
    }

    private static void Link(string folder, byte[] content)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "link"), Digest.Of(content).ToString());
    }
}
