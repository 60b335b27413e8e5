using System.Collections.Immutable;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Upstream;
using Xunit;

namespace Gateway.Tests.Repositories;

/// <summary>
/// Each repository has one canonical name, and rights are evaluated with it. Tested over generated routes between built-in storage, a
/// fronted upstream and a pull-through upstream, with every host, <c>?ns=</c> and path of a request.
/// </summary>
public sealed class RepositoryNamesTests : IAsyncLifetime
{
    private static readonly string[] Prefixes = ["", "a", "b", "a/b", "library", "a/library", "corp", "hub.example"];

    private static readonly string[] Paths =
    [
        .. from head in Prefixes
           from tail in (string[])["app", "library/app", "b/app", "a", "corp/x", "hub.example/x"]
           select head.Length == 0 ? tail : $"{head}/{tail}",
    ];

    private static readonly ImmutableSortedDictionary<string, UpstreamOptions> Upstreams = new UpstreamOptions[]
    {
        new() { Key = "corp", Urls = [new("https://corp.example")], Namespaces = ["corp"] },
        new() { Key = "hub.example", Urls = [new("https://hub.example")], Namespaces = ["hub.example", "index"], Library = true },
    }.ToImmutableSortedDictionary(u => u.Key, u => u);

    private GateRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GateRig.OpenAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private RepositoryRouter Router(params RouteOptions[] routes) => _rig.Router(
        options: new() { Upstreams = Upstreams, Routes = [.. routes.OrderByDescending(r => r.Prefix.Length)] },
        upstream: (upstream, name, _) => _rig.Volume.Cached(upstream.Key, name));

    private static string? Reached(Routed routed) => routed switch
    {
        { Repository: null } => null,
        { Source: { } source } => $"{source.Upstream}: {source.Name}",
        _ => $"built-in: {routed.Repository.Name}",
    };

    [Fact]
    public void Every_spelling_of_a_repository_uses_the_rights_of_its_canonical_name_which_leads_to_it()
    {
        // The routes of a seed are the same in every run.
        var reached = 0;
        for (var seed = 0; seed < 400; seed++)
        {
            var routes = Generate(seed);
            var router = Router(routes);
            var (names, owners) = (new Dictionary<string, string>(), new Dictionary<string, string>());
            foreach (var (host, ns, path) in Spellings())
            {
                var routed = router.Route(host, ns, RepositoryName.Parse(path));
                if (Reached(routed) is not { } repository) continue;
                reached++;
                var (name, said) = (routed.CanonicalName.Value, $"seed {seed}, host {host}, ns {ns}, path {path} reached {repository}");
                Assert.True(names.GetOrAdd(repository, name) == name, $"{said} as {name}, and as {names[repository]} before");
                Assert.True(owners.GetOrAdd(name, repository) == repository, $"{said} as {name}, which is {owners[name]} too");
                var byName = Reached(router.Route("other", null, routed.CanonicalName));
                Assert.True(byName == repository, $"{said} as {name}, which as a path is {byName}");
                Assert.Equal(routed.Repository!.Name, routed.CanonicalName);
            }
        }
        Assert.True(reached > 10_000, $"expected more than 10,000 spellings that reach a repository, got {reached}");
    }

    [Theory]
    [InlineData("gw", "corp", "team/app")]
    [InlineData("corp.local", null, "team/app")]
    public void Name_that_another_route_shadows_is_not_reachable_around_that_route(string host, string? ns, string path)
    {
        var router = Router(new() { Prefix = "team" }, new() { Prefix = "", Upstream = "corp", Forwards = true, Hosts = ["corp.local"] });
        Assert.Null(router.Route(host, ns, RepositoryName.Parse(path)).Repository);
        Assert.Equal("built-in: team/app", Reached(router.Route("gw", null, RepositoryName.Parse(path))));
        Assert.Equal("corp: other/app", Reached(router.Route(host, ns, RepositoryName.Parse("other/app"))));
    }

    [Fact]
    public void Short_name_does_not_bypass_the_route_that_shadows_the_long_name()
    {
        var router = Router(new() { Prefix = "library" }, new() { Prefix = "", Upstream = "hub.example" });
        Assert.Null(router.Route("gw", null, RepositoryName.Parse("app")).Repository);
        Assert.Null(router.Route("gw", "index", RepositoryName.Parse("app")).Repository);
        Assert.Equal("built-in: library/app", Reached(router.Route("gw", null, RepositoryName.Parse("library/app"))));
    }

    [Fact]
    public void Repository_that_is_shadowed_under_one_route_has_its_name_under_the_next()
    {
        var router = Router(
            new() { Prefix = "a/b" }, new() { Prefix = "a", Upstream = "corp" }, new() { Prefix = "c", Upstream = "corp" },
            new() { Prefix = "" });
        Assert.Equal("c/b/x", router.Route("gw", "corp", RepositoryName.Parse("b/x")).CanonicalName.Value);
        Assert.Equal("c/b/x", router.Route("gw", null, RepositoryName.Parse("c/b/x")).CanonicalName.Value);
        Assert.Equal("a/x", router.Route("gw", null, RepositoryName.Parse("c/x")).CanonicalName.Value);
    }

    [Fact]
    public void Upstream_without_a_route_is_below_its_key_and_a_host_stands_for_the_prefix_of_its_route()
    {
        var router = Router(new() { Prefix = "own", Hosts = ["own.local"] }, new() { Prefix = "" });
        Assert.Equal("corp: app", Reached(router.Route("gw", null, RepositoryName.Parse("corp/app"))));
        Assert.Equal("built-in: own/app", Reached(router.Route("own.local", null, RepositoryName.Parse("app"))));
        // It has no name below a key that a route has given to something else.
        var taken = Router(new() { Prefix = "corp" }, new() { Prefix = "" });
        Assert.Equal("built-in: corp/app", Reached(taken.Route("gw", null, RepositoryName.Parse("corp/app"))));
        Assert.Null(taken.Route("gw", "corp", RepositoryName.Parse("app")).Repository);
    }

    [Theory]
    [InlineData("index", 250)]
    [InlineData(null, 250)]
    [InlineData("corp", 252)]
    public void Name_that_becomes_too_long_leads_nowhere(string? ns, int length)
    {
        var router = Router(new() { Prefix = "", Upstream = "hub.example" }, new() { Prefix = "corp", Upstream = "corp" });
        var routed = router.Route("gw", ns, RepositoryName.Parse(new string('a', length)));
        Assert.Null(routed.Repository);
    }

    private static IEnumerable<(string Host, string? Ns, string Path)> Spellings() =>
        from host in (string[])["gw", "corp.local", "own.local"]
        from ns in (string?[])[null, "corp", "index"]
        from path in Paths
        select (host, ns, path);

    private static RouteOptions[] Generate(int seed)
    {
        var random = new Random(seed);
        string[] hosts = ["corp.local", "own.local"];
        random.Shuffle(hosts);
        var prefixes = (string[])Prefixes.Clone();
        random.Shuffle(prefixes);
        return
        [
            .. prefixes.Take(random.Next(1, 6)).Select((prefix, i) => new RouteOptions
            {
                Prefix = prefix,
                Upstream = ((string?[])[null, "corp", "hub.example"])[random.Next(3)],
                Hosts = i < hosts.Length && random.Next(2) == 0 ? [hosts[i]] : [],
            }),
        ];
    }
}

file static class Known
{
    public static string GetOrAdd(this Dictionary<string, string> known, string key, string value) =>
        known.TryAdd(key, value) ? value : known[key];
}
