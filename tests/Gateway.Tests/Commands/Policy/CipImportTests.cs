using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Tests.Configuration;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

public sealed class CipImportTests : IDisposable
{
    private readonly PolicyRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Policy_with_a_key_becomes_a_rule_that_holds_unsigned_images()
    {
        var (code, output, error) = await Import($"""
            apiVersion: policy.sigstore.dev/v1beta1
            kind: ClusterImagePolicy
            metadata:
              name: signed
            spec:
              images:
                - glob: "ghcr.io/acme/**"
                - glob: index.docker.io/acme/*
              authorities:
                - name: release
                  key:
                    hashAlgorithm: sha512
                    data: |
            {PolicyRig.NewKey(10)}
            """);

        Assert.Equal((0, ""), (code, error));
        var policy = Yaml.Good(output).Policy!;
        Assert.Equal(Outcome.Deny, policy.Default);
        var rule = policy.Rules[0];
        Assert.Equal(("signed", RuleMode.Enforce, OnMissing.Quarantine), (rule.Id, rule.Mode, rule.OnMissing));
        Assert.Equal(["ghcr.io/acme/**", "docker.io/acme/*"], rule.Repositories);
        var authority = policy.Trust.Authorities[Assert.Single(rule.Require.Signatures).Authority];
        Assert.Equal(SignatureHash.Sha512, policy.Trust.Keys[Assert.Single(authority.AnyOf)].Hash);
    }

    [Fact]
    public async Task Imported_default_still_allows_pushing_signatures()
    {
        var (_, output, _) = await Import(Cip(Key()));

        var rule = Yaml.Good(output).Policy!.Rules[^1];
        Assert.Equal([ManifestKind.Evidence], rule.Kinds);
        Assert.Empty(rule.Repositories);
    }

    [Fact]
    public async Task Several_keys_become_one_authority_and_each_is_sufficient()
    {
        var (code, output, _) = await Import(Cip(Key("a") + Key("b")));

        Assert.Equal(0, code);
        var policy = Yaml.Good(output).Policy!;
        Assert.Equal(["p-a", "p-b"], Assert.Single(policy.Trust.Authorities).Value.AnyOf);
    }

    [Fact]
    public async Task Several_keys_in_one_text_are_several_keys()
    {
        var (code, output, _) = await Import(Cip(Key() + "\n" + PolicyRig.NewKey(10) + "\n"));

        Assert.Equal(0, code);
        Assert.Equal(2, Yaml.Good(output).Policy!.Trust.Keys.Count);
    }

    [Fact]
    public async Task Required_log_stays_required()
    {
        _rig.Write("root.json", PolicyRig.EmptyRoot);

        var (code, output, error) = await Import(
            Cip(Key() + "\n      ctlog: { url: https://rekor.sigstore.dev }\n"), "--trusted-root", Path.Combine(_rig.Folder, "root.json"));

        Assert.Equal((0, ""), (code, error));
        var policy = Yaml.Good(output).Policy!;
        Assert.Equal(TlogMode.Require, Assert.Single(policy.Trust.Authorities).Value.Tlog);
        Assert.Single(policy.Trust.Keyless);
    }

    [Fact]
    public async Task Identity_becomes_a_keyless_authority_with_the_given_root()
    {
        _rig.Write("root.json", PolicyRig.EmptyRoot);

        var (code, output, error) = await Import(Cip("""
                - keyless:
                    url: https://fulcio.sigstore.dev
                    identities:
                      - issuer: https://token.actions.githubusercontent.com
                        subjectRegExp: ^https://github\.com/acme/[^/]*/\.github/workflows/release\.yml@refs/tags/.*$
            """), "--trusted-root", Path.Combine(_rig.Folder, "root.json"));

        Assert.Equal((0, ""), (code, error));
        var keyless = Assert.Single(Yaml.Good(output).Policy!.Trust.Authorities).Value.Keyless!;
        Assert.Equal("https://token.actions.githubusercontent.com", keyless.Issuer);
        Assert.Equal("https://github.com/acme/*/.github/workflows/release.yml@refs/tags/**", keyless.SubjectPattern);
    }

    [Fact]
    public async Task Missing_root_is_reported_and_the_gateway_needs_it_at_start()
    {
        var (code, output, error) = await Import(Cip("""
                - keyless: { identities: [ { issuer: https://a.example, subject: me@acme.example } ] }
            """), "--trusted-root", Path.Combine(_rig.Folder, "absent.json"));

        Assert.Equal(2, code);
        Assert.Contains("policy.trust.keyless.sigstore.trustedRoot: expected the path of a trusted_root.json", error);
        Assert.Contains("trustedRoot", Assert.Single(Yaml.Mistakes(output)));
    }

    [Fact]
    public async Task Attestations_are_required_by_their_full_types()
    {
        var (code, output, _) = await Import(Cip(
            Key() + "\n      attestations: [ { name: a, predicateType: slsaprovenance1 }, { name: b, predicateType: https://x.example/t } ]\n"));

        Assert.Equal(0, code);
        var rule = Yaml.Good(output).Policy!.Rules[0];
        Assert.Empty(rule.Require.Signatures);
        Assert.Equal(
            ["https://slsa.dev/provenance/v1", "https://x.example/t"], rule.Require.Attestations.Select(one => one.PredicateType));
    }

    [Theory]
    [InlineData("legacy", SignatureFormat.Legacy, SignatureFormat.ReferrerLegacy)]
    [InlineData("bundle", SignatureFormat.Bundle)]
    public async Task Requested_signature_format_is_the_only_one_that_counts(string form, params SignatureFormat[] expected)
    {
        var (_, output, _) = await Import(Cip(Key() + $"\n      signatureFormat: {form}\n"));

        Assert.Equal(expected, Yaml.Good(output).Policy!.Rules[0].Require.Signatures[0].Formats);
    }

    [Fact]
    public async Task Warn_stays_warn()
    {
        var (code, output, _) = await Import(Cip(Key()) + "\n  mode: warn\n");

        Assert.Equal(0, code);
        Assert.Equal(RuleMode.Warn, Yaml.Good(output).Policy!.Rules[0].Mode);
    }

    [Theory]
    [InlineData("pass", Outcome.Allow)]
    [InlineData("fail", Outcome.Deny)]
    public async Task Static_authority_admits_everything_or_nothing(string action, Outcome expected)
    {
        var (code, output, error) = await Import(Cip($"    - static: {{ action: {action}, message: not from here }}"));

        Assert.Equal((0, ""), (code, error));
        var engine = new PolicyEngine(Yaml.Good(output).Policy);
        Assert.All(Questions.Of("docker.io/acme/app"), question => Assert.Equal(expected, engine.Evaluate(question).Outcome));
        Assert.All(Questions.Of("elsewhere/app"), question => Assert.Equal(Outcome.Deny, engine.Evaluate(question).Outcome));
    }

    [Theory]
    [InlineData("'*'", "docker.io/library/*")]
    [InlineData("'*/*'", "docker.io/*/*")]
    [InlineData("'**'", "**")]
    [InlineData("gcr.io/a/b:*", "gcr.io/a/b")]
    public async Task Image_glob_becomes_a_repository_glob(string glob, string expected)
    {
        var (code, output, error) = await Import(Cip(Key(), glob));

        Assert.Equal((0, ""), (code, error));
        Assert.Equal([expected], Yaml.Good(output).Policy!.Rules[0].Repositories);
    }

    [Theory]
    [InlineData("gcr.io/a/b:v*", "'gcr.io/a/b:v*' becomes 'gcr.io/a/b', for every tag and digest, which is stricter")]
    [InlineData("reg.acme.example/a/b", "means repositories below the prefix reg.acme.example")]
    public async Task Glob_that_matches_more_after_import_is_reported_with_its_place(string glob, string expected)
    {
        var (code, output, error) = await Import(Cip(Key(), glob));

        Assert.Equal(2, code);
        Assert.Contains($"{_file}:6:13: spec.images: ", error);
        Assert.Contains(expected, error);
        Assert.NotNull(Yaml.Good(output).Policy);
    }

    [Theory]
    [InlineData("    - key: { secretRef: { name: cosign } }", "spec.authorities.key.secretRef")]
    [InlineData("    - key: { kms: 'gcpkms://x' }", "spec.authorities.key.kms")]
    [InlineData("    - key: { data: no key at all }", ".pem: expected a public key in PEM")]
    [InlineData("    - keyless: { url: https://fulcio.sigstore.dev }", "otherwise every certificate would count")]
    [InlineData("    - keyless: { identities: [ { issuer: https://a.example } ] }", "otherwise strangers could sign")]
    [InlineData("    - keyless: { identities: [ { issuerRegExp: 'https://.*', subject: a } ] }", "issuers are compared exactly")]
    [InlineData("    - keyless: { identities: [ { issuer: https://a.example, subjectRegExp: '(a|b)' } ] }", "'(a|b)' cannot be written as a glob")]
    [InlineData("    - static: { action: fail }\n  policy: { type: cue, data: x }", "spec.policy: p requires a program")]
    [InlineData("    - { name: nothing }", "expected key, keyless or static")]
    public async Task Unsupported_requirement_is_refused_with_its_place_and_nothing_is_printed(string authority, string expected)
    {
        var (code, output, error) = await Import(Cip(authority));

        Assert.Equal((4, ""), (code, output));
        Assert.Contains(expected, error);
        Assert.All(
            error.Trim().Split('\n'), line => Assert.Matches($@"^{System.Text.RegularExpressions.Regex.Escape(_file)}:\d+:\d+: ", line));
    }

    [Fact]
    public async Task Attestation_program_is_refused_because_omitting_it_would_require_less()
    {
        var (code, output, error) = await Import(Cip(
            Key() + "\n      attestations: [ { name: a, predicateType: vuln, policy: { type: cue, data: x } } ]\n"));

        Assert.Equal((4, ""), (code, output));
        Assert.Contains("write it as 'where' of a rule", error);
    }

    [Fact]
    public async Task Unsupported_alternative_is_omitted_and_reported()
    {
        var (code, output, error) = await Import(Cip(Key() + "    - key: { kms: 'gcpkms://x' }\n"));

        Assert.Equal(2, code);
        Assert.Contains("this way to satisfy p is omitted, which is stricter", error);
        Assert.Single(Yaml.Good(output).Policy!.Trust.Keys);
    }

    [Fact]
    public async Task Rule_requires_only_the_first_of_several_kinds_of_alternatives()
    {
        var (code, output, error) = await Import(Cip(
            Key("k") + "    - keyless: { identities: [ { issuer: https://a.example, subject: me } ] }\n"));

        Assert.Equal(2, code);
        Assert.Contains("the rule requires only p-k, which is stricter, and p-1 is omitted", error);
        Assert.Empty(Yaml.Good(output).Policy!.Trust.Keyless);
    }

    [Fact]
    public async Task Several_documents_become_several_rules_and_other_kinds_are_reported()
    {
        var other = Cip(Key()).Replace("name: p", "name: q", StringComparison.Ordinal);
        var (code, output, error) = await Import($"{Cip(Key())}---\n{other}---\napiVersion: v1\nkind: Secret\n---\n");

        Assert.Equal(2, code);
        Assert.Contains("Secret is not imported", error);
        Assert.Equal(["p", "q", "evidence-may-come"], Yaml.Good(output).Policy!.Rules.Select(rule => rule.Id));
    }

    [Theory]
    [InlineData("")]
    [InlineData("apiVersion: v1\nkind: Pod\n")]
    [InlineData("apiVersion: policy.sigstore.dev/v9\nkind: ClusterImagePolicy\nmetadata: { name: p }\nspec: {}\n")]
    [InlineData("apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: { name: p }\nspec: {}\n")]
    public async Task A_file_without_a_policy_is_an_error(string text) => Assert.Equal(4, (await Import(text)).Code);

    [Fact]
    public async Task Text_of_the_file_stays_inside_its_YAML_value()
    {
        var (code, output, _) = await Import(Cip(
            "    - static: { action: fail, message: \"no: [x]\\n# {\\u001b[2J\" }").Replace("name: p", "name: \"p: { #\\n'\\\"\"",
            StringComparison.Ordinal));

        Assert.NotEqual(0, code);
        Assert.DoesNotContain('\u001b', output);
    }

    private string _file = "";

    private Task<(int Code, string Output, string Error)> Import(string text, params string[] more)
    {
        _file = _rig.Write("cip.yaml", text);
        return PolicyRig.Run(["import", "--cip", _file, .. more]);
    }

    private static string Key(string name = "k") => $"    - name: {name}\n      key:\n        data: |\n{PolicyRig.NewKey(10)}\n";

    private static string Cip(string authorities, string glob = "index.docker.io/acme/**") =>
        $"apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {{ name: p }}\nspec:\n  images:\n    - glob: {glob}\n"
        + $"  authorities:\n{authorities}\n";
}
