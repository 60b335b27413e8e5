using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Policy;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>The keys of rules and exceptions: what they are read into, and which mistakes are told where.</summary>
public sealed class PolicySchemaTests : IDisposable
{
    private static readonly string KeyPem = NewKey();

    private readonly string _keyFile = Path.Combine(Path.GetTempPath(), $"gateway-key-{Guid.NewGuid():N}.pub");
    private readonly string _rootFile = Path.Combine(Path.GetTempPath(), $"gateway-root-{Guid.NewGuid():N}.json");

    public PolicySchemaTests() => File.WriteAllText(_keyFile, KeyPem);

    public void Dispose()
    {
        File.Delete(_keyFile);
        File.Delete(_rootFile);
    }

    private static string NewKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportSubjectPublicKeyInfoPem();
    }

    private static string Rule(string require, string more = "") =>
        $"policy: {{ default: allow, rules: [{{ id: r, require: {{ {require.ReplaceLineEndings(" ")} }}{more} }}] }}";

    private static RequireOptions Require(string require) => Assert.Single(Yaml.Good(Rule(require)).Policy!.Rules).Require;

    [Fact]
    public void Presets_are_read_and_refused_with_Quays_exact_semantics()
    {
        var types = Yaml.Good("policy: { default: allow, artifactTypes: { presets: [images, buildkit] } }").Policy!.ArtifactTypes!;
        Assert.Equal([ArtifactTypePreset.Images, ArtifactTypePreset.BuildKit], types.Presets!.Value);
        Assert.Null(Yaml.Good("policy: { default: allow, artifactTypes: {} }").Policy!.ArtifactTypes!.Presets);
        foreach (var semantics in (string[])["quay-union", "quay-off"])
        {
            var text = $"policy: {{ default: allow, artifactTypes: {{ semantics: {semantics}, presets: [images] }} }}";
            Assert.Contains(Yaml.Mistakes(text), static line => line.Contains("remove presets", StringComparison.Ordinal));
        }
        Assert.Contains(
            Yaml.Mistakes("policy: { default: allow, artifactTypes: { presets: [image] } }"),
            static line => line.Contains("did you mean images?", StringComparison.Ordinal));
    }

    [Fact]
    public void Requirements_of_an_image_are_read_as_written()
    {
        var require = Require("""
            platforms: { mustInclude: [linux/amd64, linux/arm/v7], onlyOs: [linux] },
            annotations: { a: text, b: { glob: "x/*" }, c: { regex: "[0-9]+" } }, annotationsFrom: [manifest, configLabels],
            limits: { maxTotalBytes: 2Gi, maxLayerBytes: 1GiB, maxLayers: 100, maxAge: 180d, minAge: 3d, ageFrom: firstSeen },
            tagMutability: monotonicSemver
            """);
        Assert.Equal(["linux/amd64", "linux/arm/v7"], require.Platforms!.MustInclude);
        Assert.Equal(["linux"], require.Platforms.OnlyOs);
        Assert.Equal(
            [new("a", new(TextComparison.Exact, "text")), new("b", new(TextComparison.Glob, "x/*")), new(
                "c", new(TextComparison.Regex, "[0-9]+"))],
            require.Annotations);
        Assert.Equal((true, true), (require.AnnotationsFromManifest, require.AnnotationsFromLabels));
        Assert.Equal(
            new()
            {
                MaxTotalBytes = 2L << 30, MaxLayerBytes = 1 << 30, MaxLayers = 100, MaxAge = TimeSpan.FromDays(180),
                MinAge = TimeSpan.FromDays(3),
            },
            require.Limits);
        Assert.Equal(TagMutability.MonotonicSemver, require.TagMutability);
    }

    [Theory]
    [InlineData("platforms: {}", "policy.rules[0].require.platforms: expected mustInclude or onlyOs")]
    [InlineData("platforms: { mustInclude: [linux] }", "expected a platform such as linux/amd64")]
    [InlineData("platforms: { onlyOs: [Linux] }", "expected an operating system such as linux")]
    [InlineData("annotations: { a: { glob: x, regex: y } }", "expected one of exact, glob and regex, got 2")]
    [InlineData("annotations: { a: {} }", "expected one of exact, glob and regex, got 0")]
    [InlineData("annotations: { a: { regex: '(?=x)' } }", "look-arounds")]
    [InlineData("annotations: { a: { regex: 'a)|(b' } }", "expected a regular expression")]
    [InlineData("annotationsFrom: [manifest], artifactTypes: false, limits: { maxLayers: 1 }", "has no effect without annotations")]
    [InlineData("annotations: { a: b }, annotationsFrom: []", "expected manifest, configLabels or both, got neither")]
    [InlineData("limits: {}", "expected a limit such as maxLayers: 100, got none")]
    [InlineData("limits: { maxLayers: -1 }", "expected a whole number from 0")]
    [InlineData("limits: { minAge: 2d, maxAge: 2d }", "nothing is ever served")]
    [InlineData("limits: { maxAge: 1d, ageFrom: created }", "expected firstSeen or attested, got 'created'")]
    [InlineData("limits: { maxLayers: 1, ageFrom: attested }", "limits.ageFrom: has no effect without an age")]
    [InlineData("limits: { maxAge: 1d, ageFrom: attested }", "limits.ageFrom: attested uses times that the rule's own")]
    [InlineData("limits: { maxAge: 1d, ageFrom: attested }", "add signatures: [{ authority: … }] to it, or write ageFrom: firstSeen")]
    [InlineData("tagMutability: frozen", "expected mutable or immutable or monotonicSemver")]
    [InlineData("tagMutability: mutable", "expected a requirement such as artifactTypes: true, got none")]
    [InlineData("signatures: [{ authority: release, atLeast: 0 }]", "expected a whole number from 1 to 16")]
    [InlineData("signatures: [{ authority: release, formats: [pgp] }]", "expected legacy or bundle or referrer-legacy")]
    [InlineData("signatures: [{ authority: release, coverage: index }]", "expected a section with keys")]
    [InlineData("signatures: [{}]", "signatures[0].authority: must be written")]
    [InlineData("attestations: [{ authority: release }]", "attestations[0].predicateType: must be written")]
    [InlineData("attestations: [{ predicateType: a, authority: b, where: { builder: x } }]", "expected a path such as $.builder.id")]
    [InlineData("signatures: [{ authority: release }]", "'release' is not an authority of policy.trust")]
    public void Mistake_in_a_requirement_is_reported(string require, string expected) =>
        Assert.Contains(expected, Yaml.Mistake(Rule(require)), StringComparison.Ordinal);

    [Theory]
    [InlineData(", match: { kinds: [] }", "expected at least one kind, got none")]
    [InlineData(", match: { stages: [pull] }", "applies when a tag is bound")]
    public void Rule_that_never_applies_is_a_mistake(string match, string expected) =>
        Assert.Contains(expected, Yaml.Mistake(Rule("tagMutability: immutable", match)), StringComparison.Ordinal);

    private static string Aged(string trust, string require = "signatures: [{ authority: release }]") => $$"""
        policy:
          default: allow
          trust: { {{trust.ReplaceLineEndings(" ")}} }
          rules:
            - id: r
              require: { {{require}}, limits: { minAge: 1d, ageFrom: attested } }
        """;

    private string KeyedBy(string more = "") =>
        $"keys: {{ k: {{ pem: {_keyFile} }} }}, authorities: {{ release: {{ anyOf: [{{ key: k }}]{more} }} }}";

    [Fact]
    public void Age_by_evidence_is_accepted_if_a_log_or_time_stamper_can_prove_a_time()
    {
        using var log = new TestLog();
        File.WriteAllText(_rootFile, log.RootJson);
        var root = $", keyless: {{ public: {{ trustedRoot: {_rootFile} }} }}";
        var limits = Assert.Single(Yaml.Good(Aged(KeyedBy() + root)).Policy!.Rules).Require.Limits!;
        Assert.Equal((AgeStart.Attested, TimeSpan.FromDays(1)), (limits.AgeFrom, limits.MinAge));
        Yaml.Good(Aged(KeyedBy() + root, "attestations: [{ authority: release, predicateType: a }]"));
        Yaml.Good(Aged($"authorities: {{ release: {{ keyless: public, issuer: i, subject: s }} }}{root}"));

        Assert.Contains("add a trusted_root.json with tlogs, and not tlog: ignore", Yaml.Mistake(Aged(KeyedBy(", tlog: ignore") + root)));
    }

    [Fact]
    public void Age_that_nothing_can_prove_is_a_mistake_with_place_and_remedy()
    {
        File.WriteAllText(_rootFile, Commands.Policy.PolicyRig.EmptyRoot);
        var mistake = Yaml.Mistake(Aged(KeyedBy()));
        Assert.Contains(":6:78: policy.rules[0].require.limits.ageFrom: ", mistake, StringComparison.Ordinal);
        Assert.EndsWith(
            "nothing proves when release signed; add a trusted_root.json with tlogs, and not tlog: ignore, or with timestampAuthorities "
            + "under policy.trust.keyless, or write ageFrom: firstSeen", mistake, StringComparison.Ordinal);
        var keyless = "authorities: { release: { keyless: public, issuer: i, subject: s } }, "
            + $"keyless: {{ public: {{ trustedRoot: {_rootFile} }} }}";
        Assert.Contains("use a policy.trust.keyless.public with tlogs", Yaml.Mistake(Aged(keyless)), StringComparison.Ordinal);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("C=US, ST=WA, O=acme", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(_rootFile, certificate.ExportCertificatePem());
        var notation = $"notation: {{ acme: {{ ca: [{_rootFile}] }} }}, "
            + "authorities: { release: { notation: acme, trustedIdentities: ['*'] } }";
        Assert.Contains("time stampers to policy.trust.notation.acme.tsa", Yaml.Mistake(Aged(notation)), StringComparison.Ordinal);
    }

    [Fact]
    public void Match_keeps_the_keys_written_before_it()
    {
        var rule = Assert.Single(Yaml.Good(
            "policy: { default: allow, rules: [{ require: { limits: { maxLayers: 1 } }, onMissing: warn, fix: f, match: { repos: [a] }, id: r }] }")
            .Policy!.Rules);
        Assert.Equal(("r", 1, OnMissing.Warn, "f"), (rule.Id, rule.Require.Limits!.MaxLayers, rule.OnMissing, rule.Fix));
        Assert.Equal(["a"], rule.Repositories);
    }

    private static string Day(int fromNow) => DateTime.UtcNow.AddDays(fromNow).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Exception(string change) => "policy: { default: allow, artifactTypes: {}, exceptions: [{ " + (
        change.Contains(':') ? change : $"id: e, rule: artifactTypes, repos: [a/b], until: {change}, by: alice, reason: INC-1") + " }] }";

    [Fact]
    public void Exception_is_read_with_end_and_reason()
    {
        var exception = Assert.Single(Yaml.Good(Exception(Day(80))).Policy!.Exceptions);
        Assert.Equal(("e", "artifactTypes", "alice", "INC-1"), (exception.Id, exception.Rule, exception.By, exception.Reason));
        Assert.Equal(new DateTimeOffset(DateTime.UtcNow.Date.AddDays(80), TimeSpan.Zero), exception.Until);
        Assert.Empty(Yaml.Load(Exception("2020-01-01")).Mistakes);
    }

    [Fact]
    public void Exception_without_an_end_or_for_everything_is_a_mistake()
    {
        Assert.Contains("expected at most 90 days from now", Yaml.Mistake(Exception(Day(92))), StringComparison.Ordinal);
        Assert.Contains("expected a day such as", Yaml.Mistake(Exception("never")), StringComparison.Ordinal);
        var wide = $"id: e, rule: artifactTypes, repos: ['**'], until: {Day(1)}, by: a, reason: b";
        Assert.Contains("'**' matches every repository", Yaml.Mistake(Exception(wide)), StringComparison.Ordinal);
        Yaml.Good(Exception($"{wide}, digests: ['sha256:{new string('a', 64)}']"));
        Assert.Equal(
            ["until", "by", "reason"],
            Yaml.Mistakes(Exception("id: e, rule: artifactTypes, repos: [a]")).Select(static m => m.Split(':')[3].Split('.')[^1]));
    }

    [Theory]
    [InlineData("https://registry.example/-/decisions/{id}", true)]
    [InlineData("http://wiki.example/why?decision={id}", true)]
    [InlineData("https://registry.example/-/decisions/", false)]
    [InlineData("/-/decisions/{id}", false)]
    [InlineData("ftp://registry.example/{id}", false)]
    public void Explain_URL_must_contain_a_place_for_the_id(string url, bool isTaken)
    {
        var text = $"policy: {{ default: allow, errors: {{ explainUrl: \"{url}\" }} }}";
        if (isTaken) Assert.Equal(url, Yaml.Good(text).Policy!.ExplainUrl);
        else Assert.Contains(
            "policy.errors.explainUrl: expected an http or https URL with {id} in it", Yaml.Mistake(text), StringComparison.Ordinal);
    }

    [Fact]
    public void Exception_must_name_an_existing_rule() => Assert.Contains(
        "'artifactType' is not the id of a rule; did you mean artifactTypes?",
        Yaml.Mistake(Exception($"id: e, rule: artifactType, repos: [a], until: {Day(1)}, by: a, reason: b")), StringComparison.Ordinal);
}
