using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.Oci;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>The console on the operator port, without a browser.</summary>
public sealed partial class OperatorConsoleTests
{
    private const string Markup = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>";

    [Fact]
    public async Task Empty_store_shows_how_to_fill_it()
    {
        await using var rig = await GatewayRig.StartAsync();

        var page = await ReadAsync(rig, "/repositories");

        Assert.Contains("There is nothing here yet", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pages_load_nothing_from_elsewhere_and_run_nothing_within_them()
    {
        await using var rig = await GatewayRig.StartAsync();

        using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, "/repositories"));

        var policy = answer.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; style-src 'self'; script-src 'self'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal("no-store", answer.Headers.CacheControl?.ToString());
        var page = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotMatch(Inline(), page);
        Assert.All(Addresses().Matches(page), m => Assert.StartsWith("/", m.Groups[1].Value, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/assets/console.css", "text/css")]
    [InlineData("/assets/console.js", "text/javascript")]
    [InlineData("/assets/icon.svg", "image/svg+xml")]
    public async Task Style_and_script_come_from_the_assembly(string path, string type)
    {
        await using var rig = await GatewayRig.StartAsync();

        using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, path));

        Assert.Equal((200, type), ((int)answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        var again = new HttpRequestMessage(HttpMethod.Get, new Uri(rig.Operator, path));
        again.Headers.IfNoneMatch.Add(answer.Headers.ETag!);
        using var unchanged = await rig.Client.SendAsync(again);
        Assert.Equal(304, (int)unchanged.StatusCode);
    }

    /// <summary>Annotations, labels, history, environment and config are what a client pushed.</summary>
    [Fact]
    public async Task Markup_in_pushed_content_is_shown_as_text()
    {
        await using var rig = await GatewayRig.StartAsync();
        await PushHostileAsync(rig, "hostile/app", "v1");

        var page = await ReadAsync(rig, "/image?repository=hostile/app&reference=v1");

        Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
        foreach (var name in (string[])["an-annotation", "a-label", "A_VARIABLE", "RUN "])
            Assert.Contains($"{name}", page, StringComparison.Ordinal);
        Assert.Contains("&lt;script&gt;alert", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/repositories?search={0}")]
    [InlineData("/tags?repository=hostile/app&search={0}&platform={0}&tool={0}&type={0}")]
    [InlineData("/tags?repository={0}")]
    [InlineData("/image?repository={0}&reference={0}")]
    public async Task Markup_in_an_address_is_shown_as_text(string path)
    {
        await using var rig = await GatewayRig.StartAsync();
        await rig.PushManifestAsync("hostile/app", "v1");
        var address = string.Format(System.Globalization.CultureInfo.InvariantCulture, path, Uri.EscapeDataString(Markup));

        using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, address));

        var page = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Form_without_its_token_changes_nothing()
    {
        await using var rig = await GatewayRig.StartAsync();
        await rig.PushManifestAsync("team/app", "v1");
        var seen = (string)JsonNode.Parse(await ReadAsync(rig, "/api/v1/pages/tags?repository=team/app"))!["items"]![0]!["digest"]!;
        foreach (var token in (string?[])[null, "", "wrong"])
        {
            using var answer = await DeleteAsync(rig, token, $"v1@{seen}");
            Assert.Equal(403, (int)answer.StatusCode);
        }
        using var there = await rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        Assert.Equal(200, (int)there.StatusCode);

        var csrf = Csrf().Match(await ReadAsync(rig, "/tags?repository=team/app")).Groups[1].Value;
        using var deleted = await DeleteAsync(rig, csrf, $"v1@{seen}");
        using var gone = await rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        Assert.Equal((200, 404), ((int)deleted.StatusCode, (int)gone.StatusCode));
    }

    [Fact]
    public async Task Page_and_admin_api_show_the_same_values()
    {
        await using var rig = await GatewayRig.StartAsync();
        await PushHostileAsync(rig, "team/app", "v1");

        var page = await ReadAsync(rig, "/tags?repository=team/app");
        var api = JsonNode.Parse(await ReadAsync(rig, "/api/v1/pages/tags?repository=team/app"))!["items"]![0]!;

        Assert.Contains((string)api["digest"]!, page, StringComparison.Ordinal);
        Assert.Contains((string)api["kind"]!["word"]!, page, StringComparison.Ordinal);
        Assert.Equal(["linux/amd64"], api["platforms"]!.AsArray().Select(p => (string)p!));
        Assert.Contains("linux/amd64", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Repositories_are_paged_in_order()
    {
        await using var rig = await GatewayRig.StartAsync();
        foreach (var name in (string[])["c/app", "a/app", "b/app"]) await rig.PushManifestAsync(name, "v1");

        var first = JsonNode.Parse(await ReadAsync(rig, "/api/v1/pages/repositories?n=2"))!;
        var second = JsonNode.Parse(await ReadAsync(rig, $"/api/v1/pages/repositories?n=2&last={first["next"]}"))!;

        Assert.Equal(["a/app", "b/app"], first["items"]!.AsArray().Select(i => (string)i!["name"]!));
        Assert.Equal("b/app", (string)first["next"]!);
        Assert.Equal(["c/app"], second["items"]!.AsArray().Select(i => (string)i!["name"]!));
        Assert.Null(second["next"]);
    }

    private static async Task<string> ReadAsync(GatewayRig rig, string path)
    {
        using var answer = await rig.Client.GetAsync(new Uri(rig.Operator, path));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return text;
    }

    private static Task<HttpResponseMessage> DeleteAsync(GatewayRig rig, string? csrf, string tag)
    {
        var fields = new Dictionary<string, string> { ["repository"] = "team/app", ["tag"] = tag, ["sure"] = "yes" };
        if (csrf is not null) fields["csrf"] = csrf;
        return rig.Client.PostAsync(new Uri(rig.Operator, "/delete"), new FormUrlEncodedContent(fields));
    }

    private static async Task PushHostileAsync(GatewayRig rig, string repository, string tag)
    {
        var layer = "a layer"u8.ToArray();
        await rig.PushBlobAsync(repository, layer);
        var config = JsonSerializer.SerializeToUtf8Bytes(new
        {
            os = "linux", architecture = "amd64",
            config = new
            {
                Labels = new Dictionary<string, string> { ["a-label"] = Markup, [Markup] = "x" }, Env = new[] { $"A_VARIABLE={Markup}" },
                Entrypoint = new[] { Markup }, User = Markup,
            },
            history = new[] { new { created_by = $"RUN {Markup}" } },
            rootfs = new { type = "layers", diff_ids = new[] { Digest.Of(layer).ToString() } },
        });
        await rig.PushBlobAsync(repository, config);
        var manifest = JsonSerializer.SerializeToUtf8Bytes(new
        {
            schemaVersion = 2, mediaType = MediaTypes.OciManifest,
            config = new { mediaType = MediaTypes.OciConfig, digest = Digest.Of(config).ToString(), size = config.Length },
            layers = new[]
            {
                new { mediaType = "application/vnd.oci.image.layer.v1.tar", digest = Digest.Of(layer).ToString(), size = layer.Length },
            },
            annotations = new Dictionary<string, string> { ["an-annotation"] = Markup, [Markup] = "x" },
        });
        using var answer = await rig.PutManifestAsync(repository, tag, manifest);
        Assert.Equal(201, (int)answer.StatusCode);
    }

    [GeneratedRegex(@"<style|\sstyle=|\son\w+=|<script(?! src)|javascript:", RegexOptions.IgnoreCase)]
    private static partial Regex Inline();

    [GeneratedRegex(@"(?:href|src|action)=""([^""#][^""]*)""")]
    private static partial Regex Addresses();

    [GeneratedRegex(@"name=""csrf"" value=""(\w+)""")]
    private static partial Regex Csrf();
}
