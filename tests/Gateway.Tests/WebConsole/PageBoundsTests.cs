using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.Oci;
using Gateway.Operations.ReadModels;
using Gateway.WebConsole;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>Content that a client made up to break pages, or to make them costly.</summary>
public sealed partial class PageBoundsTests
{
    [Fact]
    public void Sum_of_sizes_stays_at_the_largest_number()
    {
        Assert.Equal(3, Sizes.Sum([1, 2]));
        Assert.Equal(long.MaxValue, Sizes.Sum([long.MaxValue, 1, 2]));
    }

    [Fact]
    public void Long_parts_of_a_platform_are_cut()
    {
        Assert.Equal("linux/arm64/v8", ManifestReadings.TextOf("linux", "arm64", "v8"));
        Assert.Equal(64 * 3 + 2, ManifestReadings.TextOf(new('a', 65), new('b', 9999), new('c', 64)).Length);
    }

    [Fact]
    public void Json_that_indents_to_more_than_the_bound_is_not_formatted()
    {
        Assert.Equal("[\n  1\n]", PrettyJson.Of("[1]")!.ReplaceLineEndings("\n"));
        Assert.Equal("no JSON", PrettyJson.Of("no JSON"));
        var deep = new string('[', 60) + string.Join(',', Enumerable.Repeat('1', 20_000)) + new string(']', 60);
        Assert.Null(PrettyJson.Of(deep));
    }

    [Fact]
    public async Task Chart_that_unpacks_to_more_than_the_bound_shows_the_files_before_it()
    {
        var packed = new MemoryStream();
        await using (var zipped = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        await using (var tar = new TarWriter(zipped))
        {
            await AddAsync(tar, $"{new string('/', 400)}Chart.yaml", "skipped"u8.ToArray());
            await AddAsync(tar, "app/Chart.yaml", "name: app"u8.ToArray());
            await AddAsync(tar, "app/large", new byte[5 << 20]);
            await AddAsync(tar, "app/values.yaml", "a: 1"u8.ToArray());
        }

        var view = await ChartFiles.ReadAsync(packed.ToArray(), default);

        Assert.Equal(new ChartView("name: app", null, null), view);
        Assert.Null(await ChartFiles.ReadAsync("no archive"u8.ToArray(), default));

        static Task AddAsync(TarWriter tar, string name, byte[] bytes) =>
            tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(bytes) });
    }

    [Fact]
    public async Task Config_with_a_string_that_is_not_valid_unicode_does_not_break_its_page()
    {
        await using var rig = await GatewayRig.StartAsync();
        var config = Encoding.UTF8.GetBytes("""{"os":"\ud800","architecture":"amd64"}""");
        await rig.PushBlobAsync("team/app", config);
        var manifest = Encoding.UTF8.GetBytes(
            $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{"mediaType":"{{MediaTypes.OciConfig}}","digest":"{{Digest.Of(config)}}","size":{{config.Length}}},"layers":[]}""");
        using (var pushed = await rig.PutManifestAsync("team/app", "v1", manifest)) Assert.Equal(201, (int)pushed.StatusCode);

        foreach (var path in (string[])["/image?repository=team/app&reference=v1", "/tags?repository=team/app"])
        {
            using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, path));
            Assert.Equal((path, 200), (path, (int)answer.StatusCode));
        }
    }

    /// <summary>Without a policy, a document of 4 MiB can consist of annotations, and each character can become five in HTML.</summary>
    [Fact]
    public async Task Manifest_full_of_annotations_makes_a_page_of_bounded_size()
    {
        await using var rig = await GatewayRig.StartAsync();
        var annotations = new JsonObject { ["long"] = new string('\'', 2 << 20) };
        for (var i = 0; i < 9_900; i++) annotations[$"annotation.{i}"] = "<b>'</b>" + new string('\'', 80);
        await rig.PushBlobAsync("team/app", "{}"u8.ToArray());
        var manifest = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["schemaVersion"] = 2, ["mediaType"] = MediaTypes.OciManifest,
            ["config"] = new JsonObject
            {
                ["mediaType"] = MediaTypes.OciEmpty, ["digest"] = Digest.Of("{}"u8).ToString(), ["size"] = 2,
            },
            ["layers"] = new JsonArray(), ["annotations"] = annotations,
        }.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        using (var pushed = await rig.PutManifestAsync("team/app", "v1", manifest)) Assert.Equal(201, (int)pushed.StatusCode);

        foreach (var path in (string[])["", "/api/v1/pages"])
        {
            var page = await rig.Client.GetStringAsync(new Uri(rig.Operator, $"{path}/image?repository=team/app&reference=v1"));
            Assert.InRange(page.Length, 1000, 500_000);
        }
    }

    [Fact]
    public async Task Deletion_spares_a_tag_that_was_bound_to_another_manifest_after_the_person_confirmed()
    {
        await using var rig = await GatewayRig.StartAsync();
        var seen = await rig.PushManifestAsync("team/app", "v1");
        var (asked, _) = await DeleteAsync(rig, "v1", sure: "");
        Assert.Contains($"value=\"v1@{seen}\"", asked, StringComparison.Ordinal);
        await rig.PushManifestAsync("team/app", "v1", subject: seen.ToString());

        var (said, status) = await DeleteAsync(rig, $"v1@{seen}", sure: "yes");

        Assert.Equal(409, status);
        Assert.Contains("another manifest", said, StringComparison.Ordinal);
        using var there = await rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        Assert.Equal(200, (int)there.StatusCode);
    }

    [Fact]
    public async Task Tag_whose_digest_nobody_confirmed_is_not_deleted()
    {
        await using var rig = await GatewayRig.StartAsync();
        await rig.PushManifestAsync("team/app", "v1");

        var (said, _) = await DeleteAsync(rig, "v1", sure: "yes");

        Assert.Contains("Delete this tag?", said, StringComparison.Ordinal);
        using var there = await rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        Assert.Equal(200, (int)there.StatusCode);
    }

    private static async Task<(string Page, int Status)> DeleteAsync(GatewayRig rig, string tag, string sure)
    {
        var page = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/tags?repository=team/app"));
        var fields = new Dictionary<string, string>
        {
            ["repository"] = "team/app", ["tag"] = tag, ["sure"] = sure, ["csrf"] = Csrf().Match(page).Groups[1].Value,
        };
        using var answer = await rig.Client.PostAsync(new Uri(rig.Operator, "/delete"), new FormUrlEncodedContent(fields));
        return (await answer.Content.ReadAsStringAsync(), (int)answer.StatusCode);
    }

    [GeneratedRegex(@"name=""csrf"" value=""(\w+)""")]
    private static partial Regex Csrf();
}
