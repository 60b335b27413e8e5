using Gateway.Configuration;
using Gateway.Policy;
using Xunit;

namespace Gateway.Tests.Configuration;

public sealed class ConfigurationLoaderTests
{
    [Theory]
    [InlineData("")]
    [InlineData("# nothing but a remark\n")]
    [InlineData("---\n")]
    [InlineData("{}")]
    [InlineData("storage:\ncache:\nupstreams:\n")]
    public void Empty_file_configures_a_loopback_gateway_without_upstreams(string text)
    {
        var options = Yaml.Good(text);

        Assert.Equal(new Uri("http://127.0.0.1:5000"), Assert.Single(options.Listen).Url);
        Assert.Equal(new Uri("http://127.0.0.1:5001"), options.Operator.Url);
        Assert.Equal(Path.Combine(Path.GetTempPath(), "data"), options.Storage.Path);
        Assert.Equal((20L << 30, 1L << 30), (options.Cache.MaxSize, options.Cache.KeepFree));
        Assert.Empty(options.Upstreams);
        Assert.Equal(("", null), (Assert.Single(options.Routes).Prefix, options.Routes[0].Upstream));
        Assert.Null(options.Access);
        Assert.Null(options.Policy);
    }

    [Fact]
    public void Named_file_that_does_not_exist_is_a_mistake()
    {
        var loaded = ConfigurationLoader.Load("/nowhere/gateway.yaml", []);

        Assert.Null(loaded.Options);
        Assert.Contains(
            "/nowhere/gateway.yaml:1:1: expected a configuration file that can be read", Assert.Single(loaded.Mistakes).ToString());
    }

    [Fact]
    public void All_mistakes_are_reported_at_once_each_with_its_place()
    {
        var mistakes = Yaml.Mistakes("""
            lisen: http://127.0.0.1:5000
            cache:
              maxSize: plenty
            upstreams:
              docker.io:
                tags:
                  revalidateAfer: 5m
                  onGone: perhaps
              corp: {}
            routes:
              - { prefix: docker.io, upstream: docker.i }
            """);

        Assert.Equal(
            [
                "gateway.yaml:1:1: lisen: unknown key; did you mean listen?",
                "gateway.yaml:3:12: cache.maxSize: expected a size such as 20GiB, 512MB or a number of bytes, got 'plenty'",
                "gateway.yaml:7:7: upstreams.docker.io.tags.revalidateAfer: unknown key; did you mean revalidateAfter?",
                "gateway.yaml:8:15: upstreams.docker.io.tags.onGone: expected a duration such as 30s, 5m or 1h30m, or deny, or serve, got 'perhaps'",
                "gateway.yaml:9:3: upstreams.corp: expected url: https://… of this registry",
                "gateway.yaml:11:26: routes[0].upstream: 'docker.i' is not a key of upstreams",
            ],
            mistakes);
    }

    [Theory]
    [InlineData("a: [1, 2", "gateway.yaml:1:4: the bracket [ that opens here is not closed; add ]")]
    [InlineData("a: [1, 2\nb: 3\n", "gateway.yaml:1:4: the bracket [ that opens here is not closed")]
    [InlineData("cache: { maxSize: 1GiB }\ncache: {}\n", "gateway.yaml:2:1: cache: written twice, first in line 1; keep one of them")]
    [InlineData(
        "cache: &c { maxSize: 1GiB }\n",
        "gateway.yaml:1:8: cache: YAML anchors are not supported; remove it, or quote a value that begins with &")]
    [InlineData("cache: !!map {}\n", "gateway.yaml:1:8: cache: YAML tags are not supported; remove it")]
    [InlineData("{}\n---\n{}\n", "expected one YAML document, got a second one, which begins here")]
    [InlineData("- listen\n", "gateway.yaml:1:1: expected a section with keys, got a list")]
    [InlineData("storage: ./data\n", "gateway.yaml:1:10: storage: expected a section with keys, got one value")]
    [InlineData("storage: { path: [a] }\n", "gateway.yaml:1:18: storage.path: expected a path, got a list")]
    [InlineData("storage: { path: }\n", "gateway.yaml:1:18: storage.path: expected a path, got nothing")]
    [InlineData("upstreams: { Docker.io: {} }\n", "gateway.yaml:1:14: upstreams.Docker.io: expected a name in lower case")]
    public void Invalid_YAML_is_reported_with_its_place(string text, string expected) =>
        Assert.Contains(Yaml.Mistakes(text), mistake => mistake.Contains(expected, StringComparison.Ordinal));

    [Fact]
    public void Aliases_are_refused_and_never_expanded()
    {
        var mistakes = Yaml.Mistakes("access:\n  rules: &a [1]\n  htpasswd: *a\n");

        const string Expected = "YAML aliases are not supported; write the value itself, in quotes if it begins with *";
        Assert.Contains($"gateway.yaml:3:13: access.htpasswd: {Expected}", mistakes);
    }

    [Fact]
    public void Deep_nesting_is_a_mistake() => Assert.Contains("nested deeper than 32", Yaml.Mistake(new string('[', 100_000)));

    [Theory]
    [InlineData("url: https://me:SECRET@corp.example")]
    [InlineData("url: https://corp.example/?token=SECRET")]
    [InlineData("urls: ['https://SECRET@corp.example']")]
    [InlineData("proxy: http://me:SECRET@proxy.example")]
    [InlineData("realms: ['https://me:SECRET@auth.example']")]
    [InlineData("credentials: me:SECRET")]
    [InlineData("credentials: [SECRET]")]
    [InlineData("credentials: { username: me, password: *SECRET }")]
    [InlineData("credentials: { username: me, password: &SECRET }")]
    [InlineData("credentials: { username: me, password: !SECRET }")]
    [InlineData("credentials: { username: me, password: !<SECRET> x }")]
    [InlineData("credentials: { username: me, password: @SECRET }")]
    [InlineData("credentials: { username: me, password: `SECRET }")]
    [InlineData("credentials: { username: me, password: %SECRET }")]
    [InlineData("credentials: { username: me, password: \"SECRET\\q\" }")]
    [InlineData("credentials: { username: me, password: 'SECRET' x }")]
    [InlineData("credentials: { username: me, password: SECRET: }")]
    [InlineData("credentials: { username: me, password: [SECRET }")]
    [InlineData("credentials: { username: me, password: [SECRET] }")]
    [InlineData("credentials: { username: me, password: { SECRET: x } }")]
    [InlineData("credentials: { username: me, passwort: SECRET }")]
    [InlineData("credentials: { username: me, password: SECRET, passwordFile: /x }")]
    public void No_mistake_repeats_a_secret(string upstream)
    {
        const string Secret = "canaryXq7";
        string Written(string text) => text.Replace("SECRET", Secret, StringComparison.Ordinal);
        var byFile = ConfigurationLoader.Load(
            Written($"upstreams:\n  corp:\n    {upstream}\n    library: x"), "gateway.yaml", "/nowhere", []);
        var pair = upstream.Split(": ", 2);
        var variable = KeyValuePair.Create($"GATEWAY__UPSTREAMS__CORP__{pair[0].ToUpperInvariant()}", Written(pair[1]));
        var byVariable = ConfigurationLoader.Load("upstreams: { corp: { library: x } }", "gateway.yaml", "/nowhere", [variable]);
        foreach (var loaded in (LoadedConfiguration[])[byFile, byVariable])
        {
            Assert.NotEmpty(loaded.Mistakes);
            Assert.DoesNotContain(loaded.Mistakes, mistake => mistake.ToString().Contains(Secret, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Secret_is_not_repeated()
    {
        var mistakes = Yaml.Mistakes("""
            upstreams:
              corp:
                url: https://me:hunter2@corp.example
                proxy: http://me:hunter2@proxy.example
                credentials: { username: me, password: "hunter2\nsecond line" }
            """);

        Assert.NotEmpty(mistakes);
        Assert.DoesNotContain(mistakes, mistake => mistake.Contains("hunter2", StringComparison.Ordinal));
    }

    [Fact]
    public void Policy_accepts_Quays_settings_unchanged()
    {
        var policy = Yaml.Good("""
            policy:
              apiVersion: gateway.policy/v1
              default: deny
              parser: { maxManifestBytes: 8MiB, maxDepth: 16, foreignLayers: { allowHosts: [mcr.microsoft.com] } }
              artifactTypes:
                FEATURE_GENERAL_OCI_SUPPORT: true
                FEATURE_HELM_OCI_SUPPORT: false
                ALLOWED_OCI_ARTIFACT_TYPES:
                  application/vnd.oci.image.config.v1+json:
                    - application/vnd.oci.image.layer.v1.tar+zstd
                  application/vnd.sylabs.sif.config.v1+json:
                    - application/vnd.sylabs.sif.layer.v1.sif
              rules:
                - id: types
                  match: { repos: ["**"], tags: { include: ["v*"], exclude: ["*-dev"] }, kinds: [image], stages: [push, proxyFetch] }
                  require: { artifactTypes: true }
                  mode: warn
                  fix: ask the platform team
            """).Policy!;

        Assert.Equal(Outcome.Deny, policy.Default);
        Assert.Equal((8 << 20, 16), (policy.Parser.Limits.MaxBytes, policy.Parser.Limits.MaxDepth));
        Assert.Equal(["mcr.microsoft.com"], policy.Parser.ForeignLayerHosts);
        Assert.False(policy.ArtifactTypes!.HelmOciSupport);
        Assert.Equal(
            ["application/vnd.sylabs.sif.layer.v1.sif"], policy.ArtifactTypes.Allowed!["application/vnd.sylabs.sif.config.v1+json"]);
        var rule = Assert.Single(policy.Rules);
        Assert.Equal(("types", RuleMode.Warn, "ask the platform team", true), (rule.Id, rule.Mode, rule.Fix, rule.Require.ArtifactTypes));
        Assert.Equal(["v*"], rule.IncludeTags);
        Assert.Equal(["*-dev"], rule.ExcludeTags);
        Assert.Equal([ManifestKind.Image], rule.Kinds);
        Assert.Equal([Stage.Push, Stage.ProxyFetch], rule.Stages);
    }

    [Theory]
    [InlineData("policy: {}", "policy.default: must be written; expected allow or deny")]
    [InlineData("policy: { default: allow, quarantine: { pendingTtl: 0s } }", "policy.quarantine.pendingTtl: expected")]
    [InlineData("policy: { default: allow, quarantine: { visibleTo: [pull] } }", "policy.quarantine.visibleTo[0]: expected")]
    [InlineData("policy: { default: allow, rules: [{ id: a, require: { truthfulMedia: [zip] } }] }", "truthfulMedia[0]: expected")]
    [InlineData(
        "policy: { default: allow, parser: { schema1: accept } }",
        "policy.parser.schema1: expected reject, the only choice of this version, got 'accept'")]
    [InlineData(
        "policy: { default: allow, parser: { digestAlgorithms: [sha256] } }", "policy.parser.digestAlgorithms: expected [sha256, sha512]")]
    public void Key_of_a_later_version_is_refused_by_name(string text, string expected) =>
        Assert.Contains(expected, Yaml.Mistake(text));

    [Theory]
    [InlineData(
        "policy: { default: allow, rules: [{ id: a, require: {} }], artifactTypes: {} }",
        "policy.rules[0].require: expected a requirement such as artifactTypes: true, got none")]
    [InlineData(
        "policy: { default: allow, artifactTypes: {}, rules: [{ id: a, require: { artifactTypes: true } }, { id: a, require: { artifactTypes: true } }] }",
        "policy.rules[1].id: 'a' is already the id of an earlier rule")]
    [InlineData("policy: { default: allow, rules: [{ id: a, require: { artifactTypes: true } }] }", "policy.artifactTypes is missing")]
    [InlineData(
        "policy: { default: allow, artifactTypes: { ALLOWED_OCI_ARTIFACT_TYPES: { 'text/html; charset=utf-8': [] } } }",
        "expected a media type")]
    [InlineData("policy: { default: allow, artifactTypes: { ALLOWED_OCI_ARTIFACT_TYPES: { nope: [] } } }", "expected a media type")]
    public void Empty_or_contradictory_policy_is_refused(string text, string expected) =>
        Assert.Contains(expected, Yaml.Mistake(text));
}
