using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>The keys of rules, exceptions and trust: what they are read into, and which mistakes are told where.</summary>
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
    public void Shape_of_an_image_is_read_as_it_is_written()
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
    [InlineData("platforms: {}", "policy.rules[0].require.platforms: asks for nothing")]
    [InlineData("platforms: { mustInclude: [linux] }", "expected a platform such as linux/amd64")]
    [InlineData("platforms: { onlyOs: [Linux] }", "expected an operating system such as linux")]
    [InlineData("annotations: { a: { glob: x, regex: y } }", "expected one of exact, glob and regex, 2 came")]
    [InlineData("annotations: { a: {} }", "expected one of exact, glob and regex, 0 came")]
    [InlineData("annotations: { a: { regex: '(?=x)' } }", "look-arounds")]
    [InlineData("annotations: { a: { regex: 'a)|(b' } }", "expected a regular expression")]
    [InlineData("annotationsFrom: [manifest], artifactTypes: false, limits: { maxLayers: 1 }", "annotations asks for nothing")]
    [InlineData("annotations: { a: b }, annotationsFrom: []", "names no place")]
    [InlineData("limits: {}", "bounds nothing")]
    [InlineData("limits: { maxLayers: -1 }", "expected a whole number from 0")]
    [InlineData("limits: { minAge: 2d, maxAge: 2d }", "nothing would ever be served")]
    [InlineData("limits: { maxAge: 1d, ageFrom: created }", "expected firstSeen or attested, 'created' came")]
    [InlineData("limits: { maxLayers: 1, ageFrom: attested }", "limits.ageFrom: says what ages count from, but no age is asked for")]
    [InlineData("limits: { maxAge: 1d, ageFrom: attested }", "limits.ageFrom: attested counts from times that the rule's own")]
    [InlineData("limits: { maxAge: 1d, ageFrom: attested }", "add signatures: [{ authority: … }] to it, or write ageFrom: firstSeen")]
    [InlineData("tagMutability: frozen", "expected mutable or immutable or monotonicSemver")]
    [InlineData("tagMutability: mutable", "requires nothing")]
    [InlineData("signatures: [{ authority: release, atLeast: 0 }]", "expected a whole number from 1 to 16")]
    [InlineData("signatures: [{ authority: release, formats: [pgp] }]", "expected legacy or bundle or referrer-legacy")]
    [InlineData("signatures: [{ authority: release, coverage: index }]", "expected a section with keys")]
    [InlineData("signatures: [{}]", "signatures[0].authority: must be written")]
    [InlineData("attestations: [{ authority: release }]", "attestations[0].predicateType: must be written")]
    [InlineData("attestations: [{ predicateType: a, authority: b, where: { builder: x } }]", "expected a path such as $.builder.id")]
    [InlineData("signatures: [{ authority: release }]", "'release' names no authority of policy.trust")]
    public void Mistake_in_a_requirement_is_told(string require, string expected) =>
        Assert.Contains(expected, Yaml.Mistake(Rule(require)), StringComparison.Ordinal);

    [Theory]
    [InlineData(", match: { kinds: [] }", "names no kind")]
    [InlineData(", match: { stages: [pull] }", "is asked where a tag is bound")]
    public void Rule_that_could_never_be_asked_is_a_mistake(string match, string expected) =>
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
    public void Age_by_evidence_is_taken_where_a_log_or_a_time_stamper_can_prove_a_time()
    {
        using var log = new TestLog();
        File.WriteAllText(_rootFile, log.RootJson);
        var root = $", keyless: {{ public: {{ trustedRoot: {_rootFile} }} }}";
        var limits = Assert.Single(Yaml.Good(Aged(KeyedBy() + root)).Policy!.Rules).Require.Limits!;
        Assert.Equal((AgeStart.Attested, TimeSpan.FromDays(1)), (limits.AgeFrom, limits.MinAge));
        Yaml.Good(Aged(KeyedBy() + root, "attestations: [{ authority: release, predicateType: a }]"));
        Yaml.Good(Aged($"authorities: {{ release: {{ keyless: public, issuer: i, subject: s }} }}{root}"));

        Assert.Contains("name a trusted_root.json with tlogs, and not tlog: ignore", Yaml.Mistake(Aged(KeyedBy(", tlog: ignore") + root)));
    }

    [Fact]
    public void Age_that_nothing_could_prove_is_a_mistake_with_its_place_and_what_to_write()
    {
        File.WriteAllText(_rootFile, Commands.Policy.PolicyRig.EmptyRoot);
        var mistake = Yaml.Mistake(Aged(KeyedBy()));
        Assert.Contains(":6:78: policy.rules[0].require.limits.ageFrom: ", mistake, StringComparison.Ordinal);
        Assert.EndsWith(
            "nothing proves when release signed; name a trusted_root.json with tlogs, and not tlog: ignore, or with timestampAuthorities "
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
        Assert.Contains("time stampers into policy.trust.notation.acme.tsa", Yaml.Mistake(Aged(notation)), StringComparison.Ordinal);
    }

    [Fact]
    public void Match_does_not_take_away_what_stands_before_it()
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
    public void Exception_is_read_with_its_end_and_its_reason()
    {
        var exception = Assert.Single(Yaml.Good(Exception(Day(80))).Policy!.Exceptions);
        Assert.Equal(("e", "artifactTypes", "alice", "INC-1"), (exception.Id, exception.Rule, exception.By, exception.Reason));
        Assert.Equal(new DateTimeOffset(DateTime.UtcNow.Date.AddDays(80), TimeSpan.Zero), exception.Until);
        Assert.Empty(Yaml.Load(Exception("2020-01-01")).Mistakes);
    }

    [Fact]
    public void Exception_without_an_end_or_for_everything_is_a_mistake()
    {
        Assert.Contains("more than 90 days away", Yaml.Mistake(Exception(Day(92))), StringComparison.Ordinal);
        Assert.Contains("expected a day such as", Yaml.Mistake(Exception("never")), StringComparison.Ordinal);
        var wide = $"id: e, rule: artifactTypes, repos: ['**'], until: {Day(1)}, by: a, reason: b";
        Assert.Contains("'**' is every repository", Yaml.Mistake(Exception(wide)), StringComparison.Ordinal);
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
    public void Address_of_explanations_is_one_with_a_place_for_the_id(string url, bool isTaken)
    {
        var text = $"policy: {{ default: allow, errors: {{ explainUrl: \"{url}\" }} }}";
        if (isTaken) Assert.Equal(url, Yaml.Good(text).Policy!.ExplainUrl);
        else Assert.Contains(
            "policy.errors.explainUrl: expected an http or https URL with {id} in it", Yaml.Mistake(text), StringComparison.Ordinal);
    }

    [Fact]
    public void Exception_names_a_rule_that_is_there() => Assert.Contains(
        "'artifactType' names no rule; did you mean artifactTypes?",
        Yaml.Mistake(Exception($"id: e, rule: artifactType, repos: [a], until: {Day(1)}, by: a, reason: b")), StringComparison.Ordinal);

    private string Trust(string key = "", string authority = "anyOf: [{ key: k }]", string? pem = null) => $$"""
        policy:
          default: allow
          trust:
            keys: { k: { pem: '{{pem ?? _keyFile}}'{{key}} } }
            authorities: { release: { {{authority}} } }
          rules: [{ id: r, require: { signatures: [{ authority: release, atLeast: 2, coverage: { index: both }, bindReference: required }] } }]
        """;

    [Fact]
    public void Key_is_read_from_a_file_a_file_url_or_the_text_itself()
    {
        var fingerprint = VerificationKey.Parse(KeyPem).Key!.Fingerprint;
        var inline = Trust(pem: "X").Replace("'X'", $"\"{KeyPem.ReplaceLineEndings("\\n")}\"", StringComparison.Ordinal);
        Assert.All(
            [Trust(), Trust(pem: $"file://{_keyFile}"), inline],
            text => Assert.Equal(fingerprint, Yaml.Good(text).Policy!.Trust.Keys["k"].Key.Fingerprint));
    }

    [Fact]
    public void Life_of_a_key_is_read_and_null_is_nothing()
    {
        var key = Yaml.Good(Trust(", hash: sha384, notBefore: 2026-01-01, retiredAt: 2026-02-01T12:00:00+02:00, revokedAt: null"))
            .Policy!.Trust.Keys["k"];
        Assert.Equal(SignatureHash.Sha384, key.Hash);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), key.NotBefore);
        Assert.Equal(new DateTimeOffset(2026, 2, 1, 10, 0, 0, TimeSpan.Zero), key.RetiredAt);
        Assert.Null(key.RevokedAt);
    }

    [Fact]
    public void Signatures_are_asked_of_an_authority()
    {
        var policy = Yaml.Good(Trust()).Policy!;
        Assert.Equal(["k"], policy.Trust.Authorities["release"].AnyOf);
        var signature = Assert.Single(Assert.Single(policy.Rules).Require.Signatures);
        Assert.Equal(
            new("release") { AtLeast = 2, Coverage = IndexCoverage.Both, BindReference = BindReference.Required },
            signature with { Formats = [] });
    }

    [Fact]
    public void Key_of_another_name_is_another_revision()
    {
        var other = Path.ChangeExtension(_keyFile, "other");
        File.WriteAllText(other, NewKey());
        try
        {
            Assert.NotEqual(
                new PolicyEngine(Yaml.Good(Trust()).Policy).Revision, new PolicyEngine(Yaml.Good(Trust(pem: other)).Policy).Revision);
        }
        finally
        {
            File.Delete(other);
        }
    }

    [Theory]
    [InlineData("", "anyOf: [{ key: kk }]", "'kk' names no key; did you mean k?")]
    [InlineData("", "anyOf: []", "expected one of anyOf with keys, keyless with issuer and subject, and notation")]
    [InlineData("", "keyless: a, subject: b", "expected keyless, issuer and subject, all three")]
    [InlineData("", "keyless: a, issuer: b", "expected keyless, issuer and subject, all three")]
    [InlineData(", hash: md5", "anyOf: [{ key: k }]", "expected sha256 or sha384 or sha512")]
    [InlineData(", retiredAt: soon", "anyOf: [{ key: k }]", "expected a day such as 2026-12-31")]
    public void Mistake_in_trust_is_told(string key, string authority, string expected) =>
        Assert.Contains(Yaml.Mistakes(Trust(key, authority)), mistake => mistake.Contains(expected, StringComparison.Ordinal));

    [Theory]
    [InlineData("\\n")]
    [InlineData(" ")]
    public void Private_key_in_the_place_of_a_public_one_is_not_repeated(string newLine)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pem = key.ExportECPrivateKeyPem();
        var text = Trust(pem: "X").Replace("'X'", $"\"{pem.ReplaceLineEndings(newLine)}\"", StringComparison.Ordinal);

        var mistake = Yaml.Mistakes(text)[0];

        Assert.Contains("a private key came", mistake, StringComparison.Ordinal);
        Assert.DoesNotContain(pem.Split('\n')[1][..16], mistake, StringComparison.Ordinal);
    }

    [Fact]
    public void Key_with_a_line_end_in_its_path_is_told_on_one_line()
    {
        var text = Trust(pem: "X").Replace("'X'", "\"/nonexistent/a\\n-----b\\u2028\\e.pub\"", StringComparison.Ordinal);
        Assert.Matches(@"^gateway\.yaml:4:\d+: policy\.trust\.keys\.k\.pem: [ -~]+$", Yaml.Mistakes(text)[0]);
    }

    [Fact]
    public void Key_that_is_none_is_a_mistake_at_its_line()
    {
        Assert.Matches(
            @"^gateway\.yaml:4:\d+: policy\.trust\.keys\.k\.pem: expected a public key",
            Yaml.Mistakes(Trust(pem: "/nonexistent/key.pub"))[0]);
        File.WriteAllText(_keyFile, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        Assert.Contains("got BEGIN PRIVATE KEY", Yaml.Mistakes(Trust())[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Keyless_authority_needs_a_root_that_can_be_read()
    {
        const string authority = "keyless: good, issuer: 'https://issuer.example', subject: { pattern: 'https://a/*' }";
        Assert.Contains("'good' names no root", Yaml.Mistakes(Trust("", authority))[0], StringComparison.Ordinal);
        var none = Trust("", authority)
            .Replace("trust:", "trust:\n    keyless: { good: { trustedRoot: /nonexistent/root.json } }", StringComparison.Ordinal);
        Assert.Contains(
            Yaml.Mistakes(none), static m => m.Contains("policy.trust.keyless.good.trustedRoot: expected", StringComparison.Ordinal));
        File.WriteAllText(_keyFile, "{\"certificateAuthorities\": 7}");
        var bad = none.Replace("/nonexistent/root.json", _keyFile, StringComparison.Ordinal);
        Assert.Contains(
            Yaml.Mistakes(bad), static m => m.Contains("policy.trust.keyless.good.trustedRoot: expected", StringComparison.Ordinal));
    }
}
