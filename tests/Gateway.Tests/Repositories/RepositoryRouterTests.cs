using System.Collections.Immutable;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Upstream;
using Xunit;

namespace Gateway.Tests.Repositories;

public sealed class RepositoryRouterTests : IAsyncLifetime
{
    private static readonly UpstreamOptions Hub = new()
    {
        Key = "docker.io", Urls = [new("https://hub.example")], Namespaces = ["docker.io", "index.docker.io"], Library = true,
    };

    private static readonly UpstreamOptions Corp =
        new() { Key = "corp", Urls = [new("https://corp.example")], Namespaces = ["corp.example:5000"] };

    private static readonly GatewayOptions Options = new()
    {
        Upstreams = ImmutableSortedDictionary<string, UpstreamOptions>.Empty.Add("docker.io", Hub).Add("corp", Corp),
        Routes =
        [
            new() { Prefix = "docker.io", Upstream = "docker.io" }, new() { Prefix = "mirror/corp", Upstream = "corp" },
            new() { Prefix = "corp", Upstream = "corp", Hosts = ["corp.local"] }, new() { Prefix = "" },
        ],
    };

    private readonly List<string> _asked = [];
    private GateRig _rig = null!;
    private RepositoryRouter _router = null!;

    public async ValueTask InitializeAsync()
    {
        _rig = await GateRig.OpenAsync();
        _router = _rig.Router(options: Options, upstream: (upstream, name, _) =>
        {
            _asked.Add($"{upstream.Key} {name}");
            return _rig.Volume.Cached(upstream.Key, name);
        });
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Theory]
    [InlineData("localhost", null, "docker.io/nginx")]
    [InlineData("localhost", "docker.io", "nginx")]
    [InlineData("corp.local", null, "team/app")]
    [InlineData("localhost", null, "team/app")]
    public void Second_request_by_the_same_name_is_routed_without_allocation(string host, string? ns, string path)
    {
        var name = RepositoryName.Parse(path);
        var first = _router.Route(host, ns, name);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var second = _router.Route(host, ns, name);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Same(first, second);
    }

    [Theory]
    [InlineData("gw", null, "docker.io/nginx", "docker.io library/nginx", "docker.io/library/nginx")]
    [InlineData("gw", null, "docker.io/org/app", "docker.io org/app", "docker.io/org/app")]
    [InlineData("gw", "docker.io", "library/nginx", "docker.io library/nginx", "docker.io/library/nginx")]
    [InlineData("gw", "index.docker.io", "nginx", "docker.io library/nginx", "docker.io/library/nginx")]
    [InlineData("gw", "corp.example:5000", "team/app", "corp team/app", "mirror/corp/team/app")]
    [InlineData("gw", null, "mirror/corp/team/app", "corp team/app", "mirror/corp/team/app")]
    [InlineData("corp.local", null, "team/app", "corp team/app", "mirror/corp/team/app")]
    [InlineData("gw", null, "mirror/corporate/app", "", "mirror/corporate/app")]
    [InlineData("gw", null, "docker.io", "", "docker.io")]
    [InlineData("gw", null, "team/app", "", "team/app")]
    public void Request_leads_to_one_repository(string host, string? ns, string path, string asked, string canonical)
    {
        var routed = _router.Route(host, ns, RepositoryName.Parse(path));
        Assert.NotNull(routed.Repository);
        Assert.Equal(canonical, routed.CanonicalName.Value);
        Assert.Equal(asked, _asked.SingleOrDefault() ?? "");
    }

    [Fact]
    public void Unknown_namespace_is_never_looked_up_by_path()
    {
        Assert.Null(_router.Route("gw", "evil.example", RepositoryName.Parse("team/app")).Repository);
        Assert.Empty(_asked);
    }

    [Fact]
    public void Namespace_prefix_and_host_lead_to_one_repository()
    {
        var repository = _router.Route("gw", "docker.io", RepositoryName.Parse("nginx")).Repository;
        Assert.Same(_router.Route("gw", null, RepositoryName.Parse("docker.io/nginx")).Repository, repository);
    }

    [Fact]
    public async Task Repositories_that_received_a_blob_are_found_latest_first()
    {
        Descriptor blob = null!;
        foreach (var name in new[] { "a", "b", "c", "d", "e", "b" })
            blob = await GateRig.PushBlobAsync(_router.Route("gw", null, RepositoryName.Parse(name)).Repository!, "shared");
        Assert.Equal(["b", "e", "d", "c"], _router.HoldersOf(blob.Digest).Select(r => r.CanonicalName.Value));
        Assert.Empty(_router.HoldersOf(Digest.Of("other"u8)));
    }

    [Fact]
    public async Task Catalog_shows_what_the_caller_may_pull_and_nothing_behind_a_route_to_an_upstream()
    {
        var open = _rig.Router();
        foreach (var name in new[] { "a", "b/c", "docker.io/hidden", "secret" })
            await GateRig.PushAsync(open.Route("gw", null, RepositoryName.Parse(name)).Repository!, "v1");
        async Task<string> PageAsync(string? last, int count)
        {
            var (page, _) = await _router.CatalogAsync(
                n => n.Value == "secret" ? GateRig.Puller with { Rights = AccessActions.None } : GateRig.Puller, last, count, default);
            return string.Join(' ', page.Items) + (page.More ? " +" : "");
        }
        Assert.Equal("a b/c", await PageAsync(null, 10));
        Assert.Equal("a +", await PageAsync(null, 1));
        Assert.Equal("b/c", await PageAsync("a", 1));
    }
}
