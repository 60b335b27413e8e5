using System.Globalization;
using Gateway.Configuration;
using Gateway.Upstream;
using Xunit;

namespace Gateway.Tests.Configuration;

public sealed class UpstreamsAndRoutesTests
{
    [Fact]
    public void Well_known_registry_needs_only_its_name()
    {
        var options = Yaml.Good("upstreams:\n  docker.io:\n  ghcr.io: {}\n");

        var hub = options.Upstreams["docker.io"];
        Assert.Equal([new Uri("https://registry-1.docker.io")], hub.Urls);
        Assert.Equal(["docker.io", "index.docker.io", "registry-1.docker.io"], hub.Namespaces);
        Assert.True(hub.Library);
        Assert.Equal([new Uri("https://auth.docker.io")], hub.Realms);
        Assert.False(options.Upstreams["ghcr.io"].Library);
        Assert.Equal(
            [("docker.io", "docker.io"), ("ghcr.io", "ghcr.io"), ("", null)],
            options.Routes.Select(route => (route.Prefix, route.Upstream)));
    }

    [Theory]
    [InlineData("cache: {}", PrefetchMode.Off, "")]
    [InlineData("cache: { prefetch: auto }", PrefetchMode.Auto, "")]
    [InlineData("cache: { prefetch: [linux/amd64, linux/arm/v7] }", PrefetchMode.Listed, "linux/amd64 linux/arm/v7")]
    public void Prefetch_is_off_or_auto_or_a_list(string text, object mode, string platforms)
    {
        var prefetch = Yaml.Good(text).Cache.Prefetch;
        Assert.Equal((mode, platforms), (prefetch.Mode, string.Join(' ', prefetch.Platforms)));
    }

    [Theory]
    [InlineData("cache: { prefetch: on }", "expected off or auto")]
    [InlineData("cache: { prefetch: [amd64] }", "expected a platform such as linux/amd64")]
    public void Invalid_prefetch_is_refused(string text, string expected) => Assert.Contains(expected, Yaml.Mistake(text));

    [Theory]
    [InlineData("push: forward", true, false)]
    [InlineData("push: forward, forward: sync", true, false)]
    [InlineData("push: forward, forward: async", true, true)]
    [InlineData("push: refuse", false, false)]
    public void Route_says_whether_and_when_pushes_are_forwarded(string keys, bool forwards, bool later)
    {
        var options = Yaml.Good(
            $"upstreams: {{ corp: {{ url: \"http://127.0.0.1:1\" }} }}\nroutes: [{{ prefix: corp, upstream: corp, {keys} }}]");
        Assert.Equal((forwards, later), (options.Routes[0].Forwards, options.Routes[0].ForwardsLater));
        Assert.Equal(forwards, options.FrontOf("corp") is not null);
    }

    [Theory]
    [InlineData("{ prefix: a, upstream: corp, push: forwards }", "did you mean forward?")]
    [InlineData("{ prefix: a, upstream: corp, forward: async }", "is for routes with push: forward; remove it")]
    [InlineData("{ prefix: a, storage: built-in, push: forward }", "is for upstreams")]
    [InlineData(
        "{ prefix: a, upstream: corp, push: forward }, { prefix: b, upstream: corp }",
        "the route 'a' to the same upstream corp has other values")]
    [InlineData("{ prefix: a, upstream: mine, push: forward, forward: async }", "write forward: sync")]
    public void Contradictory_push_settings_are_refused(string routes, string expected) => Assert.Contains(
        expected,
        Yaml.Mistake(
            $"upstreams: {{ corp: {{ url: \"http://127.0.0.1:1\" }}, mine: {{ url: \"http://127.0.0.1:2\", auth: passthrough }} }}\nroutes: [{routes}]"));

    [Theory]
    [InlineData("", new string[0], false)]
    [InlineData(", web: refuse", new string[0], false)]
    [InlineData(", web: forward", new[] { "a.example", "b.example" }, false)]
    [InlineData(", web: { hosts: [b.example] }", new[] { "b.example" }, false)]
    [InlineData(", web: { host: client }", new[] { "a.example", "b.example" }, true)]
    public void Route_says_on_which_hosts_web_requests_are_forwarded(string web, string[] hosts, bool keepsHost)
    {
        var options = Yaml.Good(
            $"upstreams: {{ corp: {{ url: \"http://127.0.0.1:1\" }} }}\n"
            + $"routes: [{{ prefix: \"\", upstream: corp, hosts: [a.example, b.example]{web} }}]");
        var route = options.Routes.Single(route => route.Upstream == "corp");
        Assert.Equal(hosts, route.WebHosts);
        Assert.Equal(keepsHost, route.Web?.KeepsHost == true);
        Assert.Equal(hosts, options.Upstreams["corp"].OwnNames);
    }

    [Theory]
    [InlineData("{ prefix: a, storage: built-in, hosts: [a.example], web: forward }", "is for upstreams")]
    [InlineData("{ prefix: a, upstream: corp, web: forward }", "add hosts: [name]")]
    [InlineData("{ prefix: a, upstream: corp, hosts: [a.example], web: { hosts: [b.example] } }", "is not one of the route's hosts")]
    [InlineData("{ prefix: a, upstream: corp, hosts: [a.example], web: yes }", "expected refuse or forward")]
    public void Contradictory_web_settings_are_refused(string routes, string expected) => Assert.Contains(
        expected, Yaml.Mistake($"upstreams: {{ corp: {{ url: \"http://127.0.0.1:1\" }} }}\nroutes: [{routes}]"));

    [Theory]
    [MemberData(nameof(WellKnown))]
    public void Every_well_known_registry_is_complete(string key) =>
        Assert.NotEmpty(Yaml.Good($"upstreams: {{ {key}: {{}} }}").Upstreams[key].Urls);

    public static TheoryData<string> WellKnown() =>
        ["docker.io", "ghcr.io", "quay.io", "registry.k8s.io", "gcr.io", "mcr.microsoft.com", "public.ecr.aws", "registry.gitlab.com"];

    [Fact]
    public void Written_values_replace_well_known_ones()
    {
        var hub = Yaml.Good("""
            upstreams:
              docker.io: { url: "https://hub.example.com", library: false, namespaces: [hub.example.com:8443], realms: [auth.example.com, "http://127.0.0.1:9"], redirects: [] }
            """).Upstreams["docker.io"];

        Assert.Equal([new Uri("https://hub.example.com")], hub.Urls);
        Assert.Equal(["hub.example.com:8443"], hub.Namespaces);
        Assert.Equal([new Uri("https://auth.example.com"), new Uri("http://127.0.0.1:9")], hub.Realms);
        Assert.Empty(hub.Redirects);
    }

    [Theory]
    [InlineData("5m", "00:05:00")]
    [InlineData("1h30m", "01:30:00")]
    [InlineData("7d", "7.00:00:00")]
    [InlineData("2w1d", "15.00:00:00")]
    [InlineData("250ms", "00:00:00.250")]
    [InlineData("always", "00:00:00")]
    [InlineData("never", "-00:00:00.001")]
    public void Duration_is_read(string written, string expected) =>
        Assert.Equal(TimeSpan.Parse(expected, CultureInfo.InvariantCulture), Tags($"revalidateAfter: {written}").RevalidateAfter);

    [Theory]
    [InlineData("0s")]
    [InlineData("5")]
    [InlineData("5 m")]
    [InlineData("5M")]
    [InlineData("-5m")]
    [InlineData("5m1h")]
    [InlineData("5m5m")]
    [InlineData("1.5h")]
    [InlineData("99999999999d")]
    [InlineData("11y")]
    [InlineData("3651d")]
    public void Invalid_duration_is_refused(string written) =>
        Assert.Throws<Xunit.Sdk.EmptyException>(() => Tags($"revalidateAfter: {written}"));

    [Theory]
    [InlineData("0", 0)]
    [InlineData("1024", 1024)]
    [InlineData("20GiB", 20L << 30)]
    [InlineData("1.5KiB", 1536)]
    [InlineData("512MB", 512_000_000)]
    [InlineData("1 TB", 1_000_000_000_000)]
    [InlineData("4Gi", 4L << 30)]
    public void Size_is_read(string written, long expected) =>
        Assert.Equal(expected, Yaml.Good($"cache: {{ maxSize: {written} }}").Cache.MaxSize);

    [Theory]
    [InlineData("-1")]
    [InlineData("GiB")]
    [InlineData("1gib")]
    [InlineData("1e9")]
    [InlineData("9999999PiB")]
    public void Invalid_size_is_refused(string written) =>
        Assert.Contains("expected a size", Yaml.Mistake($"cache: {{ maxSize: {written} }}"));

    [Fact]
    public void Several_credentials_are_read_in_order_with_names()
    {
        var hub = Yaml.Good("""
            upstreams:
              docker.io: { credentials: [{ username: a, password: x }, { name: team, username: b, password: y }, { helper: /usr/bin/docker-credential-ecr-login }, anonymous] }
            """).Upstreams["docker.io"];

        Assert.Equal(["a", "team", "docker-credential-ecr-login", "anonymous"], hub.Credentials.Select(c => c.Name));
        Assert.Empty(Yaml.Good("upstreams: { docker.io: }").Upstreams["docker.io"].Credentials);
        Assert.DoesNotContain(hub.Credentials, c => c.ToString().Contains('x'));
    }

    [Fact]
    public void Credential_can_be_set_by_variables_alone()
    {
        var hub = Yaml.Good(
            "upstreams: { docker.io: }",
            ("GATEWAY__UPSTREAMS__DOCKER_IO__CREDENTIALS__USERNAME", "me"),
            ("GATEWAY__UPSTREAMS__DOCKER_IO__CREDENTIALS__PASSWORD", "secret")).Upstreams["docker.io"];

        Assert.Equal(("me", "secret"), (Assert.Single(hub.Credentials).Username, hub.Credentials[0].Password));
    }

    [Fact]
    public void Gateway_accounts_and_passthrough_exclude_each_other()
    {
        var file = Path.GetTempFileName();
        try
        {
            var passthrough = "upstreams: { corp: { url: 'https://corp.example', auth: passthrough, provenFor: 90s } }\n";
            Assert.Contains(
                "upstreams.corp.auth: passthrough needs the clients' Authorization header",
                Yaml.Mistake($"{passthrough}access: {{ htpasswd: '{file}' }}"));
            var open = Yaml.Good(
                $"{passthrough}access: {{ rules: [{{ actors: [anonymous], repositories: ['corp/**'], actions: [pull] }}] }}");
            Assert.Equal((UpstreamAuth.Passthrough, 90), (open.Upstreams["corp"].Auth, open.Upstreams["corp"].ProvenFor.TotalSeconds));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Words_for_tag_settings_are_read()
    {
        var tags = Tags("immutable: ['v*'], onUnavailable: deny, onGone: serve, onUnauthorized: serve");

        Assert.Equal((StaleUse.Deny, Timeout.InfiniteTimeSpan, StaleUse.Serve), (tags.OnUnavailable, tags.OnGone, tags.OnUnauthorized));
        Assert.Equal(["v*"], tags.Immutable);
        Assert.Equal(TimeSpan.FromDays(1), Tags("onGone: 1d").OnGone);
        Assert.Equal(TimeSpan.Zero, Tags("onGone: deny").OnGone);
    }

    [Theory]
    [InlineData("upstreams: { dokcer.io: {} }", "upstreams.dokcer.io: expected url: https://… of this registry; or did you mean docker.io")]
    [InlineData(
        "upstreams: { a: { url: 'https://a.example/path' } }",
        "upstreams.a.url: expected a URL such as https://registry.example.com:5000, without path")]
    [InlineData("upstreams: { a: { url: 'ftp://a.example' } }", "write http or https://")]
    [InlineData(
        "upstreams: { a: { url: 'https://a.example', urls: ['https://b.example'] } }", "upstreams.a.urls: expected url or urls, got both")]
    [InlineData("upstreams: { a: { url: 'https://a.example', namespaces: ['A.example'] } }", "upstreams.a.namespaces[0]: expected a host")]
    [InlineData(
        "upstreams: { docker.io: { credentials: { username: me } } }",
        "expected username with one of password and passwordFile, or helper")]
    [InlineData("upstreams: { docker.io: { credentials: { helper: x, username: me } } }", "expected helper alone")]
    [InlineData(
        "upstreams: { docker.io: { credentials: { username: me, passwordFile: /nowhere } } }",
        "expected the path of a file that can be read")]
    [InlineData(
        "upstreams: { docker.io: { credentials: [anonymous, { username: a, password: x }, { username: a, password: y }] } }",
        "got 'a' twice")]
    [InlineData("upstreams: { docker.io: { credentials: nobody } }", "expected anonymous, got something else")]
    [InlineData(
        "upstreams: { docker.io: { auth: public, credentials: { username: a, password: x } } }", "credentials: are for auth: service")]
    [InlineData("upstreams: { docker.io: { provenFor: 1m } }", "provenFor: is for auth: passthrough")]
    [InlineData(
        "upstreams: { docker.io: { auth: passthrough, tags: { onUnauthorized: serve } } }",
        "tags.onUnauthorized: expected deny with auth: passthrough")]
    [InlineData(
        "upstreams: { docker.io: { auth: passthrough }, ghcr.io: { auth: passthrough } }",
        "ghcr.io.auth: only one upstream can be passthrough")]
    [InlineData(
        "upstreams: { docker.io: {}, b: { url: 'https://b.example', namespaces: [docker.io] } }", "'docker.io' already means upstream")]
    [InlineData("routes: [{ prefix: a, upstream: b }]", "routes[0].upstream: 'b' is not a key of upstreams")]
    [InlineData(
        "routes: [{ prefix: a, upstream: docker.i }]\nupstreams: { docker.io: }",
        "'docker.i' is not a key of upstreams; did you mean docker.io?")]
    [InlineData("routes: [{ prefix: a }]", "routes[0]: expected upstream: <key> or storage: built-in, got neither")]
    [InlineData(
        "routes: [{ prefix: a, upstream: docker.io, storage: built-in }]\nupstreams: { docker.io: }",
        "expected upstream or storage, got both")]
    [InlineData(
        "routes: [{ prefix: a, storage: built-in }, { prefix: a, storage: built-in }]", "routes[1].prefix: 'a' already has a route")]
    [InlineData(
        "routes: [{ prefix: a, storage: built-in, hosts: [h] }, { prefix: b, storage: built-in, hosts: [h] }]",
        "routes[1].hosts: 'h' already belongs to another route")]
    [InlineData("routes: [{ prefix: /a/, storage: built-in }]", "routes[0].prefix: expected path components")]
    [InlineData("routes: [{ storage: built-in }]", "routes[0].prefix: must be written")]
    public void Contradiction_is_reported(string text, string expected) => Assert.Contains(expected, Yaml.Mistake(text));

    [Fact]
    public void Routes_are_ordered_by_longest_prefix() =>
        Assert.Equal(
            ["team/app", "team", ""],
            Yaml.Good("routes: [{ prefix: '', storage: built-in }, { prefix: team, storage: built-in }, { prefix: team/app, storage: built-in }]").Routes.Select(route => route.Prefix));

    private static TagOptions Tags(string text) =>
        Yaml.Good($"upstreams: {{ docker.io: {{ tags: {{ {text} }} }} }}").Upstreams["docker.io"].Tags;
}
