using System.Text;
using Gateway.Configuration;
using Gateway.Tests.Access;
using Scripted;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>
/// Routes that shadow one another, over HTTP: built-in <c>team</c>, and everything else at a registry that takes pushes; a second registry
/// that is only pulled through, part of whose names a built-in route has.
/// </summary>
public sealed class NamesHttpTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-names-").FullName;
    private ScriptedUpstream _corp = null!;
    private ScriptedUpstream _hub = null!;
    private ScriptedImage _image = null!;

    public async ValueTask InitializeAsync()
    {
        (_corp, _hub) = (await ScriptedUpstream.StartAsync(), await ScriptedUpstream.StartAsync());
        _image = _corp.AddImage("team/app", "1", ScriptedUpstream.Bytes(1000, 1));
        foreach (var name in (string[])["other/app", "corp.example/x", "v2/x"]) _corp.AddImage(name, "1", ScriptedUpstream.Bytes(1000, 1));
        _hub.AddImage("library/app", "1", ScriptedUpstream.Bytes(1000, 2));
        _hub.AddImage("own/app", "1", ScriptedUpstream.Bytes(1000, 2));
    }

    public async ValueTask DisposeAsync()
    {
        await _corp.DisposeAsync();
        await _hub.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private Task<GatewayRig> StartAsync(AccessOptions? access = null) => GatewayRig.StartAsync(options => options with
    {
        Upstreams = options.Upstreams
            .Add("corp", new() { Key = "corp", Urls = [_corp.Url], Namespaces = ["corp.example"] })
            .Add("hub.example", new() { Key = "hub.example", Urls = [_hub.Url], Namespaces = ["hub.example"], Library = true }),
        Routes =
        [
            new() { Prefix = "team" }, new() { Prefix = "hub.example/own" }, new() { Prefix = "hub.example", Upstream = "hub.example" },
            new() { Prefix = "", Upstream = "corp", Forwards = true, Hosts = ["corp.local"] },
        ],
        Access = access,
    });

    private AccessOptions Rules(AccessRule rule)
    {
        var file = Path.Combine(_folder, "htpasswd");
        File.WriteAllLines(file, [AccessRig.Line("ci", "ci")]);
        return new() { Htpasswd = file, Rules = [rule] };
    }

    private static (string, string) Ci => ("Authorization", "Basic Y2k6Y2k=");

    [Theory]
    [InlineData("GET", "/v2/team/app/manifests/1?ns=corp.example", "")]
    [InlineData("PUT", "/v2/team/app/manifests/1?ns=corp.example", "")]
    [InlineData("DELETE", "/v2/team/app/manifests/1?ns=corp.example", "")]
    [InlineData("GET", "/v2/team/app/blobs/{config}?ns=corp.example", "")]
    [InlineData("DELETE", "/v2/team/app/blobs/{config}?ns=corp.example", "")]
    [InlineData("GET", "/v2/team/app/tags/list?ns=corp.example", "")]
    [InlineData("GET", "/v2/team/app/referrers/{manifest}?ns=corp.example", "")]
    [InlineData("POST", "/v2/team/app/blobs/uploads/?ns=corp.example", "")]
    [InlineData("GET", "/v2/team/app/manifests/1", "corp.local")]
    [InlineData("PUT", "/v2/team/app/manifests/1", "corp.local")]
    [InlineData("POST", "/v2/team/app/blobs/uploads/", "corp.local")]
    [InlineData("GET", "/v2/own/app/manifests/1?ns=hub.example", "")]
    [InlineData("GET", "/v2/own/app/blobs/{config}?ns=hub.example", "")]
    public async Task Shadowed_repository_cannot_be_reached_by_any_name(string method, string target, string host)
    {
        await using var rig = await StartAsync(Rules(new(["ci"], ["team/**", "hub.example/**", "own/**"], AccessActions.All)));
        var path = target.Replace("{config}", _image.Config, StringComparison.Ordinal)
            .Replace("{manifest}", _image.Digest, StringComparison.Ordinal);
        (string, string)[] headers = host.Length > 0 ? [Ci, ("Host", host)] : [Ci];

        using var answer = await rig.SendAsync(
            method, path, method is "PUT" ? new StringContent("{}", Encoding.UTF8, "application/json") : null, headers);

        Assert.Equal(404, (int)answer.StatusCode);
        Assert.Equal("NAME_UNKNOWN", await GatewayRig.ErrorCodeAsync(answer));
        Assert.Equal((0, 0), (_corp.Count(_ => true), _hub.Count(_ => true)));
    }

    [Fact]
    public async Task Promotion_mount_and_catalog_use_canonical_names()
    {
        await using var rig = await StartAsync(Rules(new(["ci"], ["team/**"], AccessActions.All)));

        using var promoted = await rig.SendAsync(
            "POST", "/-/promote", new StringContent("""{"from":"team/app:1","to":"team/app:2"}""", Encoding.UTF8, "application/json"),
            Ci, ("Host", "corp.local"));
        using var mounted = await rig.SendAsync(
            "POST", $"/v2/team/new/blobs/uploads/?mount={_image.Config}&from=team/app&ns=corp.example", null, Ci);
        using var catalog = await rig.SendAsync("GET", "/v2/_catalog", null, Ci);

        Assert.Equal((404, 404, 200), ((int)promoted.StatusCode, (int)mounted.StatusCode, (int)catalog.StatusCode));
        Assert.Equal("""{"repositories":[]}""", await catalog.Content.ReadAsStringAsync());
        Assert.Equal(0, _corp.Count(r => !r.IsCatalog));
    }

    [Theory]
    [InlineData("/v2/other/app/manifests/1", "", 200)]
    [InlineData("/v2/other/app/manifests/1?ns=corp.example", "", 200)]
    [InlineData("/v2/other/app/manifests/1", "corp.local", 200)]
    [InlineData("/v2/hub.example/app/manifests/1", "", 200)]
    [InlineData("/v2/hub.example/library/app/manifests/1", "", 200)]
    [InlineData("/v2/app/manifests/1?ns=hub.example", "", 200)]
    public async Task Every_way_to_a_repository_uses_the_rights_of_its_canonical_name(string path, string host, int allowed)
    {
        var name = path.Contains("hub", StringComparison.Ordinal) ? "hub.example/library/app" : "other/app";
        await using var rig = await StartAsync(Rules(new(["ci"], [name], AccessActions.Pull)));
        await using var without = await StartAsync(Rules(new(["ci"], ["team/**", "app", "app/**", "library/**"], AccessActions.Pull)));
        (string, string)[] headers = host.Length > 0 ? [Ci, ("Host", host)] : [Ci];

        using var may = await rig.SendAsync("GET", path, null, headers);
        using var mayNot = await without.SendAsync("GET", path, null, headers);

        Assert.Equal((allowed, 404), ((int)may.StatusCode, (int)mayNot.StatusCode));
    }

    [Theory]
    [InlineData("/v2/v2/x/manifests/1", "the client sends /v2 twice; remove /v2 from its address of this gateway")]
    [InlineData("/v2/hub.example/v2/x/manifests/1", "the client sends /v2 twice")]
    [InlineData("/v2/x/manifests/1?ns=v2.example", "v2.example is not an upstream of this gateway; add it under upstreams")]
    [InlineData("/v2/corp.example/x/manifests/1", "the client sends corp.example twice")]
    [InlineData("/v2/hub.example/hub.example/app/manifests/1", "the client sends hub.example twice")]
    [InlineData("/v2/hub.example/library/app/manifests/1?ns=hub.example", "the client sends hub.example twice")]
    [InlineData("/v2/hub.example/own/app/manifests/1", "repository hub.example/own/app has no manifest 1")]
    [InlineData("/v2/own/app/manifests/1?ns=hub.example", "another route of this gateway has its name")]
    public async Task Likely_mistake_in_a_name_is_named_without_asking_an_upstream(string path, string expected)
    {
        await using var rig = await StartAsync();

        using var answer = await rig.SendAsync("GET", path);

        Assert.Equal(404, (int)answer.StatusCode);
        Assert.Contains(expected, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("gateway", GatewayRig.Header(answer, "Cache-Status"));
        Assert.Equal((0, 0), (_corp.Count(_ => true), _hub.Count(_ => true)));
    }

    [Theory]
    [InlineData("/v2/nvcr.io/nvidia/cuda/manifests/latest")]
    [InlineData("/v2/nvcr.io/nvidia/cuda/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("/v2/nvcr.io/nvidia/cuda/tags/list")]
    [InlineData("/v2/nvidia/cuda/manifests/latest?ns=nvcr.io")]
    public async Task Registry_that_is_not_an_upstream_returns_404_with_a_hint(string path)
    {
        await using var rig = await GatewayRig.StartAsync();

        using var answer = await rig.SendAsync("GET", path);

        Assert.Equal(404, (int)answer.StatusCode);
        Assert.Contains("nvcr.io is not an upstream of this gateway; add it under upstreams", await answer.Content.ReadAsStringAsync());
        Assert.Equal("gateway", GatewayRig.Header(answer, "Cache-Status"));
    }
}
