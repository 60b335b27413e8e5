using System.Text;
using System.Text.Json;
using Gateway.Commands;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary><c>/api/v1</c> and the verbs that speak to it, on a gateway in front of a scripted upstream.</summary>
public sealed class AdminApiTests : IAsyncLifetime
{
    private ScriptedUpstream _hub = null!;
    private ScriptedImage _image = null!;
    private ScriptedImage _other = null!;
    private GatewayRig _rig = null!;
    private string _config = "";

    public async ValueTask InitializeAsync()
    {
        _hub = await ScriptedUpstream.StartAsync();
        var shared = ScriptedUpstream.Bytes(300_000, 1);
        _image = _hub.AddImage("library/nginx", "latest", shared, ScriptedUpstream.Bytes(100_000, 2));
        _other = _hub.AddImage("team/app", "v1", shared);
        // What the upstream is asked is counted here.
        var upstream = new UpstreamOptions
        {
            Key = "hub", Urls = [_hub.Url], Namespaces = ["docker.io"], Library = true, Referrers = ReferrersFetch.OnDemand,
        };
        _rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add("hub", upstream),
            Routes = [new() { Prefix = "hub", Upstream = "hub" }, new() { Prefix = "" }],
        });
        _config = Path.GetTempFileName();
        await File.WriteAllTextAsync(_config, $"operator: {_rig.Operator.ToString().TrimEnd('/')}\n");
    }

    public async ValueTask DisposeAsync()
    {
        File.Delete(_config);
        await _rig.DisposeAsync();
        await _hub.DisposeAsync();
    }

    private async Task PullAsync(string repository, string reference, ScriptedImage image)
    {
        using var manifest = await _rig.SendAsync("GET", $"/v2/hub/{repository}/manifests/{reference}");
        Assert.Equal(200, (int)manifest.StatusCode);
        foreach (var blob in image.Layers.Prepend(image.Config))
            Assert.NotEmpty(await _rig.Client.GetByteArrayAsync(new Uri(_rig.Url, $"/v2/hub/{repository}/blobs/{blob}")));
    }

    private async Task PullBothAsync()
    {
        await PullAsync("nginx", "latest", _image);
        await PullAsync("team/app", "v1", _other);
        await CachedAsync(atLeast: 6);
    }

    // Content is counted when it is in its place, which is after its readers have it.
    private async Task<JsonElement> CachedAsync(int atLeast)
    {
        JsonElement cache = default;
        await Patience.UntilAsync(
            async () => (cache = (await StatsAsync()).GetProperty("cache")).GetProperty("entries").GetInt32() >= atLeast
                && cache.GetProperty("fetchesUnderWay").GetInt32() == 0,
            () => $"at least {atLeast} entries and no fetch under way; still {cache}");
        return cache;
    }

    private async Task<JsonElement> StatsAsync() =>
        JsonDocument.Parse(await _rig.Client.GetStringAsync(new Uri(_rig.Operator, "/api/v1/stats"))).RootElement;

    private async Task<(int Status, string Body)> PostAsync(string verb, string body, string type = "application/json")
    {
        using var answer = await _rig.Client.PostAsync(
            new Uri(_rig.Operator, $"/api/v1/{verb}"), new StringContent(body, Encoding.UTF8, type));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private async Task<PurgeResult> PurgeAsync(string what, bool dryRun = false)
    {
        var (_, body) = await PostAsync("purge", JsonSerializer.Serialize(new { what, dryRun }));
        return JsonSerializer.Deserialize(body, AdminJson.Default.PurgeResult)!;
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync([.. arguments, "--config", _config], output, error);
        return (code, output.ToString(), error.ToString());
    }

    private int Gets(string digest) => _hub.Count(r => r.IsGet && r.Path.EndsWith(digest, StringComparison.Ordinal));

    [Theory]
    [InlineData("evil.example", 403)]
    [InlineData("127.0.0.1.evil.example:5001", 403)]
    [InlineData("localhost.evil.example", 403)]
    [InlineData("localhost:5001", 200)]
    [InlineData("127.0.0.1", 200)]
    [InlineData("[::1]:9", 200)]
    public async Task Page_whose_own_name_resolves_to_the_gateway_is_refused(string host, int expected)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_rig.Operator, "/api/v1/stats"));
        request.Headers.Host = host;
        using var answer = await _rig.Client.SendAsync(request);
        Assert.Equal(expected, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Commands_send_the_token_of_the_configuration()
    {
        var token = Path.GetTempFileName();
        await File.WriteAllTextAsync(token, "0123456789abcdef");
        await using var rig = await GatewayRig.StartAsync(o => o with { Operator = o.Operator with { TokenFile = token } });
        var url = rig.Operator.ToString().TrimEnd('/');

        await File.WriteAllTextAsync(_config, $"operator: {{ url: {url} }}\n");
        var (without, _, error) = await RunAsync("stats");
        await File.WriteAllTextAsync(_config, $"operator: {{ url: {url}, tokenFile: {token} }}\n");
        var (with, _, _) = await RunAsync("stats");

        Assert.Equal((1, 0), (without, with));
        Assert.Contains("expected Authorization: Bearer with the token of operator.tokenFile", error, StringComparison.Ordinal);
        File.Delete(token);
    }

    [Fact]
    public async Task Stats_show_cached_content_by_repository_and_upstream_requests()
    {
        await PullBothAsync();
        await PullAsync("nginx", "latest", _image);
        var stats = await StatsAsync();
        var repositories = stats.GetProperty("repositories").EnumerateArray().Select(r => r.GetProperty("name").GetString()!).ToArray();
        Assert.Equal(["hub/library/nginx", "hub/team/app"], repositories);
        Assert.True(stats.GetProperty("cache").GetProperty("bytes").GetInt64() > 400_000);
        Assert.True(stats.GetProperty("requests").GetProperty("hits").GetInt64() > 0);
        Assert.True(stats.GetProperty("requests").GetProperty("bytesFetched").GetInt64() > 0);
        var hub = Assert.Single(stats.GetProperty("upstreams").EnumerateArray().ToArray());
        Assert.Equal("hub", hub.GetProperty("name").GetString());
        Assert.True(hub.GetProperty("requests").GetInt64() > 0);

        var (code, output, error) = await RunAsync("stats", "--top", "1");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("hub/library/nginx", output);
        Assert.DoesNotContain("hub/team/app", output);
        Assert.Equal(0, (await RunAsync("stats", "--json")).Code);
    }

    [Fact]
    public async Task Purged_tag_is_fetched_again_with_its_content()
    {
        await PullBothAsync();
        var purged = await PurgeAsync("hub/nginx:latest");
        Assert.Equal(("hub/library/nginx", 4), (Assert.Single(purged.Purged).Name, purged.Purged[0].Contents));
        Assert.True(purged.Bytes > 400_000);
        await PullAsync("nginx", "latest", _image);
        Assert.All(_image.Layers.Append(_image.Config).Append(_image.Digest), digest => Assert.Equal(2, Gets(digest)));
        // A shared layer is a plain miss for whoever else had it, and is here again by now.
        await PullAsync("team/app", "v1", _other);
        Assert.Equal((2, 1), (Gets(_other.Layers[0]), Gets(_other.Config)));
    }

    [Fact]
    public async Task Dry_run_reports_the_same_and_removes_nothing()
    {
        await PullBothAsync();
        var before = (await StatsAsync()).GetProperty("cache").GetProperty("bytes").GetInt64();
        var told = await PurgeAsync("docker.io/library/nginx:latest", dryRun: true);
        Assert.Equal(before, (await StatsAsync()).GetProperty("cache").GetProperty("bytes").GetInt64());
        var done = await PurgeAsync("docker.io/library/nginx:latest");
        Assert.Equal((told.Bytes, told.Purged[0]), (done.Bytes, done.Purged[0]));
        Assert.True(told.DryRun && !done.DryRun);
    }

    [Theory]
    [InlineData("nginx", "hub/library/nginx")]
    [InlineData("hub/team/app", "hub/team/app")]
    [InlineData("hub", "hub/library/nginx hub/team/app")]
    [InlineData("hub/**", "hub/library/nginx hub/team/app")]
    [InlineData("hub/team/*", "hub/team/app")]
    public async Task Repository_glob_or_upstream_is_purged_completely(string what, string expected)
    {
        await PullBothAsync();
        var purged = await PurgeAsync(what);
        Assert.Equal(expected, string.Join(' ', purged.Purged.Select(each => each.Name).Order(StringComparer.Ordinal)));
        Assert.Empty((await PurgeAsync(what, dryRun: true)).Purged);
        await PullBothAsync();
    }

    [Fact]
    public async Task Digest_is_purged_from_every_repository()
    {
        await PullBothAsync();
        var shared = _image.Layers[0];
        Assert.Equal(300_000, (await PurgeAsync(shared)).Bytes);
        await PullBothAsync();
        Assert.Equal((2, 1), (Gets(shared), Gets(_image.Layers[1])));
        Assert.NotNull((await PurgeAsync("sha256:" + new string('0', 64))).Problem);
    }

    [Fact]
    public async Task Pushed_content_is_never_purged()
    {
        var pushed = await _rig.PushManifestAsync("own/app", "v1");
        Assert.NotNull((await PurgeAsync("own/app:v1")).Problem);
        Assert.NotNull((await PurgeAsync("**")).Problem);
        Assert.NotNull((await PurgeAsync(pushed.ToString())).Problem);
        using var there = await _rig.SendAsync("GET", "/v2/own/app/manifests/v1");
        Assert.Equal(200, (int)there.StatusCode);
    }

    [Fact]
    public async Task Request_that_a_web_page_can_send_changes_nothing()
    {
        await PullBothAsync();
        Assert.Equal(415, (await PostAsync("purge", """{"what":"hub","dryRun":false}""", "text/plain")).Status);
        Assert.Equal(2, (await StatsAsync()).GetProperty("repositories").GetArrayLength());
    }

    [Theory]
    [InlineData("purge", "{", 400)]
    [InlineData("purge", """{"wat":"hub"}""", 400)]
    [InlineData("purge", """{"dryRun":true}""", 400)]
    [InlineData("prefetch", """{"references":[]}""", 400)]
    [InlineData("prefetch", """{}""", 400)]
    [InlineData("nothing", "{}", 404)]
    public async Task Invalid_admin_request_is_reported(string verb, string body, int status)
    {
        var (came, text) = await PostAsync(verb, body);
        Assert.Equal(status, came);
        Assert.NotEmpty(JsonDocument.Parse(text).RootElement.GetProperty("problem").GetString()!);
    }

    [Fact]
    public async Task Prefetched_images_are_cached_before_any_pull()
    {
        var (code, output, error) = await RunAsync("prefetch", "nginx", "hub/team/app:v1");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("fetched  nginx  ", output);
        await CachedAsync(atLeast: 6);
        var asked = _hub.Requests.Count;
        await PullAsync("nginx", "latest", _image);
        await PullAsync("team/app", "v1", _other);
        Assert.Equal(asked, _hub.Requests.Count);
        Assert.Contains("here     nginx", (await RunAsync("prefetch", "docker.io/library/nginx:latest", "nginx")).Output);
    }

    [Fact]
    public async Task Partly_failed_prefetch_reports_the_failure_and_fetches_the_rest()
    {
        var (code, output, _) = await RunAsync("prefetch", "nginx:missing", "quay.io/org/app", "not an image", "hub/team/app:v1", "--json");
        Assert.Equal(1, code);
        var outcomes = output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize(line, AdminJson.Default.PrefetchOutcome)!).ToDictionary(each => each.Reference);
        Assert.Contains("no such manifest", outcomes["nginx:missing"].Problem);
        Assert.Contains("quay.io is not an upstream of this gateway; add it to upstreams", outcomes["quay.io/org/app"].Problem);
        Assert.Contains("expected a name such as nginx:1.27", outcomes["not an image"].Problem);
        Assert.Equal((null, _other.Digest), (outcomes["hub/team/app:v1"].Problem, outcomes["hub/team/app:v1"].Digest));
        Assert.True(outcomes["hub/team/app:v1"].FetchedBytes > 300_000);
    }

    [Fact]
    public async Task Images_of_a_workload_file_are_prefetched_for_the_given_platforms()
    {
        var (amd, arm) = (_hub.AddImage("team/multi", null, [1, 2, 3]), _hub.AddImage("team/multi", null, [4, 5, 6]));
        _hub.AddIndex("team/multi", "v1", amd, arm);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "services: { a: { image: team/multi:v1 }, b: { image: nginx } }");
        var (code, output, error) = await RunAsync("prefetch", "--from", file, "--platform", "linux/arm64");
        File.Delete(file);
        Assert.Equal((0, "", 2), (code, error, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
        Assert.Equal((0, 1), (Gets(amd.Layers[0]), Gets(arm.Layers[0])));
        Assert.Equal(1, (await RunAsync("prefetch", "team/multi:v1", "--platform", "windows/amd64")).Code);
    }

    [Fact]
    public async Task Without_a_running_gateway_the_store_itself_is_read_and_purged()
    {
        await PullBothAsync();
        var data = _rig.Storage;
        await _rig.StopAsync();
        var text = $"operator: {_rig.LastOperator}\nstorage: {{ path: '{data}' }}\nupstreams: {{ hub: {{ url: '{_hub.Url}' }} }}\n";
        await File.WriteAllTextAsync(_config, text);

        var (code, output, error) = await RunAsync("stats");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("no gateway runs on this store", output);
        Assert.Contains("hub/library/nginx", output);
        Assert.Equal(0, (await RunAsync("purge", "hub/team/app")).Code);
        Assert.DoesNotContain("hub/team/app", (await RunAsync("stats")).Output);
        Assert.Equal(1, (await RunAsync("prefetch", "nginx")).Code);
        Assert.Equal(1, (await RunAsync("purge", "hub/team/app")).Code);
    }
}
