using System.Text.Json;
using Gateway.Commands.Policy;
using Gateway.Tests.Configuration;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

public sealed class PolicyLintTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private const string Access = "access: { rules: [ { actors: [anonymous], repositories: ['**'], actions: [pull] } ] }";

    private readonly PolicyRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Recommended_policy_has_no_warnings() => Assert.Empty(Codes(Policy("""
          rules:
            - id: prod-signed
              match: { repos: ["prod/**"] }
              require: { signatures: [ { authority: release } ] }
              onMissing: quarantine
        """)));

    [Theory]
    [InlineData("match: { repos: ['Prod/**'] }, require: { limits: { maxLayers: 5 } }", "RULE_NEVER")]
    [InlineData("match: { repos: ['prod//a'] }, require: { limits: { maxLayers: 5 } }", "RULE_NEVER")]
    [InlineData("match: { tags: { include: ['app:v1'] } }, require: { limits: { maxLayers: 5 } }", "RULE_NEVER")]
    [InlineData("match: { tags: { include: ['v*'], exclude: ['**'] } }, require: { limits: { maxLayers: 5 } }", "RULE_NEVER")]
    [InlineData("match: { tags: { include: [v1], exclude: ['v*'] } }, require: { limits: { maxLayers: 5 } }", "RULE_NEVER")]
    [InlineData("match: { stages: [push] }, require: { limits: { minAge: 3d } }", "RULE_NEVER")]
    [InlineData("match: { kinds: [artifact] }, require: { platforms: { onlyOs: [linux] } }", "RULE_NEVER")]
    [InlineData("require: { limits: { maxLayers: 5 } }, onMissing: warn", "ON_MISSING_IDLE")]
    [InlineData("require: { signatures: [ { authority: release } ] }", "SIGN_BLOCKED")]
    [InlineData("match: { stages: [push, pull] }, require: { signatures: [ { authority: release } ] }", "SIGN_BLOCKED")]
    [InlineData("match: { stages: [pull] }, require: { signatures: [ { authority: release, atLeast: 2 } ] }", "NEVER_SATISFIED")]
    [InlineData(
        "match: { stages: [pull] }, require: { signatures: [ { authority: release, formats: [bundle], bindReference: required } ] }",
        "NEVER_SATISFIED")]
    [InlineData(
        "match: { stages: [pull] }, require: { signatures: [ { authority: release, bindReference: required } ] }", "BUNDLES_NEVER_COUNT")]
    [InlineData("match: { stages: [pull] }, require: { attestations: [ { authority: release, predicateType: spdx } ] }", "PREDICATE_SHORT")]
    [InlineData("match: { kinds: [evidence], stages: [pull] }, require: { signatures: [ { authority: release } ] }", "RULE_NEVER")]
    public void Rule_with_an_unintended_meaning_is_reported(string rule, string code) =>
        Assert.Contains(code, Codes(Policy($"  rules: [ {{ id: r, {rule} }} ]")));

    [Theory]
    [InlineData("match: { tags: { include: ['v*'] } }, require: { signatures: [ { authority: release } ] }")]
    [InlineData("match: { stages: [tag, pull] }, require: { signatures: [ { authority: release } ] }")]
    [InlineData("match: { repos: ['docker.io/**'] }, require: { signatures: [ { authority: release } ] }")]
    [InlineData("require: { signatures: [ { authority: release } ] }, mode: warn")]
    public void Rule_that_allows_pushing_before_signing_is_not_reported(string rule) =>
        Assert.Empty(Codes(Policy($"  rules: [ {{ id: r, {rule} }} ]") + "\nupstreams: { docker.io: {} }\n"));

    [Theory]
    [InlineData("onMissing: quarantine", true)]
    [InlineData("match: { stages: [pull] }", true)]
    [InlineData("match: { stages: [tag] }", false)]
    [InlineData("match: { tags: { include: ['v*'] } }", false)]
    [InlineData("match: { repos: ['docker.io/**'] }", false)]
    [InlineData("mode: warn", false)]
    public void Hold_rule_without_accounts_is_reported(string rule, bool isTold)
    {
        var text = Policy($"  rules: [ {{ id: r, require: {{ signatures: [ {{ authority: release }} ] }}, {rule} }} ]") + "\nupstreams: { docker.io: {} }\n";

        Assert.Equal(isTold, Lint(text, access: "").Any(static warning => warning.Code == "SIGNER_UNKNOWN"));
        Assert.DoesNotContain(Lint(text), static warning => warning.Code == "SIGNER_UNKNOWN");
    }

    [Theory]
    [InlineData("['prod/**']", "['prod/a']", true)]
    [InlineData("[]", "['prod/a']", true)]
    [InlineData("['prod/*']", "['prod/a/b']", false)]
    [InlineData("['prod/**']", "['stage/a']", false)]
    public void Shadowed_rule_is_reported(string wide, string narrow, bool isTold)
    {
        var codes = Codes(Policy($$"""
              rules:
                - { id: wide, match: { repos: {{wide}} }, require: { limits: { maxLayers: 5 } } }
                - { id: narrow, match: { repos: {{narrow}} }, require: { limits: { maxLayers: 5 } } }
            """));

        Assert.Equal(isTold, codes.Contains("RULE_SHADOWED"));
    }

    [Fact]
    public void Rule_with_another_requirement_or_softer_mode_shadows_nothing() => Assert.DoesNotContain("RULE_SHADOWED", Codes(Policy("""
          rules:
            - { id: other, require: { limits: { maxLayers: 6 } } }
            - { id: softer, require: { limits: { maxLayers: 5 } }, mode: warn }
            - { id: narrow, match: { repos: ['a'] }, require: { limits: { maxLayers: 5 } } }
        """)));

    [Theory]
    [InlineData("2026-11-20", "['prod/a']", "EXCEPTION_OVER")]
    [InlineData("2026-11-25", "['prod/a']", "EXCEPTION_ENDS_SOON")]
    [InlineData("2026-12-20", "['prod/**']", "EXCEPTION_WHOLE_RULE")]
    [InlineData("2026-12-20", "['stage/a']", "EXCEPTION_NEVER")]
    [InlineData("2026-12-20", "['prod/a']", null)]
    public void Expired_too_wide_or_useless_exception_is_reported(string until, string repos, string? code) =>
        Assert.Equal(code is null ? [] : [code], Codes(Policy($$"""
              rules: [ { id: r, match: { repos: ['prod/**'], stages: [pull] }, require: { signatures: [ { authority: release } ] } } ]
              exceptions: [ { id: e, rule: r, repos: {{repos}}, until: {{until}}, by: alice, reason: x } ]
            """)));

    [Theory]
    [InlineData("old: { pem: KEY }", "old", "KEY_UNUSED")]
    [InlineData("old: { pem: KEY, revokedAt: 2026-01-01 }", "old", null)]
    public void Unused_key_is_reported_unless_it_is_revoked(string key, string id, string? code) =>
        Assert.Equal(code is null ? [] : [$"policy.trust.keys.{id} {code}"], Told($$"""
            policy:
              default: allow
              trust:
                keys:
                  used: { pem: {{Quoted(PolicyRig.NewKey())}} }
                  {{key.Replace("KEY", Quoted(PolicyRig.NewKey()), StringComparison.Ordinal)}}
                authorities: { release: { anyOf: [ { key: used } ] } }
              rules: [ { id: r, match: { stages: [pull] }, require: { signatures: [ { authority: release } ] } } ]
            """));

    [Theory]
    [InlineData("retiredAt: 2026-01-01", "policy.trust.authorities.release.anyOf AUTHORITY_WITHOUT_KEY")]
    [InlineData("revokedAt: 2026-01-01", "policy.trust.authorities.release.anyOf AUTHORITY_WITHOUT_KEY")]
    [InlineData("retiredAt: 2026-11-25", "policy.trust.keys.k.retiredAt KEY_RETIRES_SOON")]
    [InlineData("notBefore: 2027-01-01", "policy.trust.keys.k.notBefore KEY_NOT_YET")]
    public void Key_that_does_not_count_now_or_soon_is_reported(string key, string expected) => Assert.Contains(expected, Told($$"""
        policy:
          default: allow
          trust:
            keys: { k: { pem: {{Quoted(PolicyRig.NewKey())}}, {{key}} } }
            authorities: { release: { anyOf: [ { key: k } ] } }
          rules: [ { id: r, match: { stages: [pull] }, require: { signatures: [ { authority: release } ] } } ]
        """));

    [Theory]
    [InlineData(100, "level: strict", "")]
    [InlineData(100, "level: audit", "policy.trust.authorities.release.level AUTHORITY_ANYBODY")]
    [InlineData(100, "override: { authenticity: log }", "policy.trust.authorities.release.level AUTHORITY_ANYBODY")]
    [InlineData(10, "level: strict", "policy.trust.notation.acme.ca[0] CERTIFICATE_EXPIRES_SOON")]
    [InlineData(0, "level: strict", "policy.trust.notation.acme.ca[0] CERTIFICATE_EXPIRED")]
    public void Notation_authority_that_trusts_everyone_or_soon_no_one_is_reported(int days, string level, string expected) =>
        Assert.Equal(expected, string.Join(' ', Told($$"""
            policy:
              default: allow
              trust:
                notation: { acme: { ca: {{Quoted(Root(days))}} } }
                authorities: { release: { notation: acme, trustedIdentities: ["*"], {{level}} } }
              rules: [ { id: r, match: { stages: [pull] }, require: { signatures: [ { authority: release } ] } } ]
            """)));

    [Fact]
    public void Unused_store_is_reported() => Assert.Contains("policy.trust.notation.acme STORE_UNUSED", Told($$"""
        policy:
          default: allow
          trust: { notation: { acme: { ca: {{Quoted(Root(100))}} } } }
          rules: [ { id: r, require: { limits: { maxLayers: 5 } } } ]
        """));

    private static string Root(int days)
    {
        using var key = System.Security.Cryptography.ECDsa.Create();
        var request = new System.Security.Cryptography.X509Certificates.CertificateRequest(
            "CN=root", key, System.Security.Cryptography.HashAlgorithmName.SHA256);
        using var root = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, Now.AddDays(days));
        return root.ExportCertificatePem();
    }

    [Fact]
    public void Short_RSA_key_duplicate_key_and_unused_authority_are_reported()
    {
        var pem = Quoted(PolicyRig.NewRsaKey(2048, 0));

        var told = Told($$"""
            policy:
              default: allow
              trust:
                keys: { a: { pem: {{pem}} }, b: { pem: {{pem}} } }
                authorities: { release: { anyOf: [ { key: a }, { key: b } ] }, idle: { anyOf: [ { key: a } ] } }
              rules: [ { id: r, match: { stages: [pull] }, require: { signatures: [ { authority: release, atLeast: 2 } ] } } ]
            """);

        Assert.Contains("policy.trust.keys.a.pem KEY_WEAK", told);
        Assert.Contains("policy.trust.keys.b KEY_TWICE", told);
        Assert.Contains("policy.trust.authorities.idle AUTHORITY_UNUSED", told);
        Assert.Contains("policy.rules[0].require.signatures[0].atLeast NEVER_SATISFIED", told);
    }

    [Theory]
    [InlineData("subject: { pattern: '**' }", "subject SUBJECT_OPEN")]
    [InlineData("subject: { pattern: 'https://github.com/**' }", "subject SUBJECT_OPEN")]
    [InlineData("subject: { pattern: '**@acme.example' }", "subject SUBJECT_OPEN")]
    [InlineData("subject: { pattern: 'https://github.com/acme/**' }", null)]
    [InlineData("subject: { pattern: '*@acme.example' }", null)]
    [InlineData("subject: me@acme.example, tlog: ignore", "tlog TLOG_IGNORED")]
    public void Identity_that_strangers_can_have_is_reported(string subject, string? expected) => Assert.Equal(
        expected is null ? [] : [$"policy.trust.authorities.a.{expected}"], Told(Keyless($"issuer: https://a.example, {subject}", "")));

    [Theory]
    [InlineData("maxAge: 1d", "ROOT_STALE")]
    [InlineData("maxAge: 4d", "ROOT_STALE_SOON")]
    [InlineData("maxAge: 90d", null)]
    public void Root_that_is_stale_now_or_soon_is_reported(string maxAge, string? code) => Assert.Equal(
        code is null ? [] : [$"policy.trust.keyless.good.trustedRoot {code}"],
        Told(Keyless("issuer: https://a.example, subject: me", maxAge)));

    [Fact]
    public void Default_deny_at_stages_without_a_rule_is_reported() => Assert.Contains("DEFAULT_DENIES_STAGE", Codes(
        Policy("  rules: [ { id: r, match: { stages: [pull] }, require: { limits: { maxLayers: 5 } } } ]")
            .Replace("default: allow", "default: deny", StringComparison.Ordinal)));

    [Theory]
    [InlineData("default: deny", "")]
    [InlineData("default: allow", "  artifactTypes: { ALLOWED_OCI_ARTIFACT_TYPES: { application/vnd.oci.image.config.v1+json: [] } }")]
    public void Policy_that_requires_signatures_but_refuses_them_is_reported(string standard, string types)
    {
        var text = Policy("  rules: [ { id: r, require: { signatures: [ { authority: release } ] }, onMissing: quarantine } ]\n" + types);

        Assert.Contains("EVIDENCE_REFUSED", Codes(text.Replace("default: allow", standard, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("  artifactTypes: { semantics: quay-off }\n  rules: [ { id: r, require: { limits: { maxLayers: 5 } } } ]", "QUAY_OFF")]
    [InlineData("  rules: [ { id: allow-linux, require: { platforms: { onlyOs: [linux] } } } ]", "DEFAULT_ALLOWS_REST")]
    public void Policy_with_less_effect_than_it_seems_is_reported(string section, string code) =>
        Assert.Equal([code], Codes($"policy:\n  default: allow\n{section}\n"));

    [Fact]
    public async Task Warning_has_place_code_and_fix_in_one_line()
    {
        var file = _rig.Write(
            "gateway.yaml", "policy:\n  default: allow\n  rules:\n    - id: allow-a\n      require: { limits: { maxLayers: 5 } }\n");

        var (code, output, error) = await PolicyRig.Run("lint", "--config", file);

        Assert.Equal((2, ""), (code, error));
        Assert.StartsWith($"{file}:4:7: policy.rules[0].id: DEFAULT_ALLOWS_REST: ", Assert.Single(output.Trim().Split('\n')));
        Assert.Contains("; fix: set default: deny", output);
    }

    [Fact]
    public async Task Lint_prints_JSON_with_the_option()
    {
        var file = _rig.Write(
            "gateway.yaml", "policy:\n  default: allow\n  rules: [ { id: only, require: { limits: { maxLayers: 5 } } } ]\n");

        using var warnings = JsonDocument.Parse((await PolicyRig.Run("lint", "--json", "--config", file)).Output);

        var warning = Assert.Single(warnings.RootElement.EnumerateArray());
        Assert.Equal(("DEFAULT_ALLOWS_REST", 3), (warning.GetProperty("code").GetString(), warning.GetProperty("line").GetInt32()));
    }

    [Theory]
    [InlineData("policy: { default: allow }", 0)]
    [InlineData("upstreams: {}", 0)]
    [InlineData("policy: { default: perhaps }", 4)]
    public async Task Lint_returns_its_result_as_exit_code(string text, int expected) =>
        Assert.Equal(expected, (await PolicyRig.Run("lint", "--config", _rig.Write("gateway.yaml", text))).Code);

    private string Keyless(string authority, string root)
    {
        var file = _rig.Write("root.json", PolicyRig.EmptyRoot);
        File.SetLastWriteTimeUtc(file, Now.UtcDateTime.AddDays(-2));
        return $$"""
            policy:
              default: allow
              trust:
                keyless: { good: { trustedRoot: {{file}}{{(root.Length == 0 ? "" : ", ")}}{{root}} } }
                authorities: { a: { keyless: good, {{authority}} } }
              rules: [ { id: r, match: { stages: [pull] }, require: { signatures: [ { authority: a } ] } } ]
            """;
    }

    private static string Policy(string rest) => $$"""
        policy:
          default: allow
          trust:
            keys: { k: { pem: {{Quoted(PolicyRig.NewKey())}} } }
            authorities: { release: { anyOf: [ { key: k } ] } }
        {{rest}}
        """;

    private static string Quoted(string pem) => $"\"{pem.Replace("\n", "\\n", StringComparison.Ordinal)}\"";

    private static string[] Told(string text) => [.. Lint(text).Select(static warning => $"{warning.Path} {warning.Code}")];

    // An authority that the rule at hand does not need is none of its business.
    private static string[] Codes(string text) =>
        [.. Lint(text).Select(static warning => warning.Code).Where(static code => code != "AUTHORITY_UNUSED")];

    private static PolicyLintCommand.Warning[] Lint(string text, string access = Access)
    {
        var loaded = Yaml.Load($"{text}\n{access}\n");
        Assert.Empty(loaded.Mistakes.Select(static mistake => mistake.ToString()));
        return PolicyLintCommand.Lint(loaded, Now);
    }
}
