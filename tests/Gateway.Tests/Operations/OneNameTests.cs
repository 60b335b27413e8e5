using System.Text;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>The operator's verbs call a repository by its one name, and know it by every name that clients have for it.</summary>
public sealed class OneNameTests : IAsyncLifetime
{
    private ScriptedUpstream _corp = null!;
    private ScriptedImage _image = null!;
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync()
    {
        _corp = await ScriptedUpstream.StartAsync();
        _image = _corp.AddImage("team/app", "v1", ScriptedUpstream.Bytes(1000, 1));
        _corp.AddImage("library/nginx", "latest", ScriptedUpstream.Bytes(1000, 2));
        var corp = new UpstreamOptions
        {
            Key = "corp", Urls = [_corp.Url], Namespaces = ["registry.corp.example"], Referrers = ReferrersFetch.OnDemand,
        };
        _rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add("corp", corp)
                // Reached by ?ns= alone.
                .Add("docker.io", corp with { Key = "docker.io", Namespaces = ["docker.io"], Library = true }),
            Routes = [new() { Prefix = "", Upstream = "corp" }],
        });
        foreach (var path in (string[])["team/app/manifests/v1", "library/nginx/manifests/latest?ns=docker.io"])
        {
            using var pulled = await _rig.SendAsync("GET", $"/v2/{path}");
            Assert.Equal(200, (int)pulled.StatusCode);
            Assert.NotEmpty(await pulled.Content.ReadAsByteArrayAsync());
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _corp.DisposeAsync();
    }

    [Fact]
    public async Task Stats_print_the_name_that_clients_pull_by()
    {
        var stats = JsonDocument.Parse(await _rig.Client.GetStringAsync(new Uri(_rig.Operator, "/api/v1/stats"))).RootElement;
        var names = stats.GetProperty("repositories").EnumerateArray().Select(r => r.GetProperty("name").GetString()).Order();
        Assert.Equal(["docker.io/library/nginx", "team/app"], names);
    }

    [Theory]
    [InlineData("team/app", "team/app")]
    [InlineData("team/app:v1", "team/app")]
    [InlineData("team/app@{digest}", "team/app")]
    [InlineData("team/*", "team/app")]
    [InlineData("registry.corp.example/team/app", "team/app")]
    [InlineData("registry.corp.example/team/app:v1", "team/app")]
    [InlineData("127.0.0.1:5000/team/app:v1", "team/app")]
    [InlineData("localhost:5000/docker.io/nginx:latest", "docker.io/library/nginx")]
    [InlineData("corp", "team/app")]
    [InlineData("docker.io/library/nginx:latest", "docker.io/library/nginx")]
    [InlineData("docker.io/nginx:latest", "docker.io/library/nginx")]
    [InlineData("docker.io/**", "docker.io/library/nginx")]
    [InlineData("docker.io", "docker.io/library/nginx")]
    public async Task Purge_accepts_the_canonical_name_and_the_clients_name(string what, string expected)
    {
        var named = what.Replace("{digest}", _image.Digest, StringComparison.Ordinal);
        var purged = Assert.Single(await PostAsync<PurgedItem>("purge", $$"""{"what":"{{named}}"}""", "purged"));
        Assert.Equal(expected, purged.Name);
    }

    [Theory]
    [InlineData("team/app:v1", "team/app")]
    [InlineData("registry.corp.example/team/app:v1", "team/app")]
    [InlineData("127.0.0.1:5000/team/app:v1", "team/app")]
    [InlineData("docker.io/library/nginx", "docker.io/library/nginx")]
    [InlineData("docker.io/nginx:latest", "docker.io/library/nginx")]
    public async Task Explain_and_prefetch_accept_both_names(string reference, string expected)
    {
        var explained = await SendAsync("policy/explain", $$"""{"reference":"{{reference}}"}""");
        var prefetched = await SendAsync("prefetch", $$"""{"references":["{{reference}}"]}""");

        Assert.Equal(expected, explained.GetProperty("answer").GetProperty("repository").GetString());
        Assert.Equal(JsonValueKind.Null, prefetched.GetProperty("problem").ValueKind);
    }

    private async Task<T[]> PostAsync<T>(string verb, string body, string property) =>
        (await SendAsync(verb, body)).GetProperty(property).Deserialize<T[]>(JsonSerializerOptions.Web)!;

    private async Task<JsonElement> SendAsync(string verb, string body)
    {
        using var answer = await _rig.Client.PostAsync(
            new Uri(_rig.Operator, $"/api/v1/{verb}"), new StringContent(body, Encoding.UTF8, "application/json"));
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
    }
}
