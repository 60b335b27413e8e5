using System.Security.Cryptography;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>The keys of trust: what they are read into, and which mistakes are told where.</summary>
public sealed class TrustSchemaTests : IDisposable
{
    private static readonly string KeyPem = NewKey();

    private readonly string _keyFile = Path.Combine(Path.GetTempPath(), $"gateway-key-{Guid.NewGuid():N}.pub");

    public TrustSchemaTests() => File.WriteAllText(_keyFile, KeyPem);

    public void Dispose() => File.Delete(_keyFile);

    private static string NewKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportSubjectPublicKeyInfoPem();
    }

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
    public void Signature_repositories_must_be_readable_by_the_gateway_itself()
    {
        var names = Yaml.Good(Trust(authority: "anyOf: [{ key: k }], signatureRepositories: [team/sigs, corp/sigs]")
            + "\nupstreams: { corp: { url: 'https://corp.example' } }").Policy!.Trust.Authorities["release"].SignatureRepositories;
        Assert.Equal(["team/sigs", "corp/sigs"], names.Select(static name => name.Value));

        var place = "policy.trust.authorities.release.signatureRepositories[0]: expected ";
        var corp = Trust(authority: "anyOf: [{ key: k }], signatureRepositories: [corp/sigs]");
        Assert.Contains(
            $"{place}a repository that the gateway reads by its own account",
            Yaml.Mistake($"{corp}\nupstreams: {{ corp: {{ url: 'https://corp.example', auth: passthrough }} }}"), StringComparison.Ordinal);
        Assert.Contains(
            $"{place}a repository of this gateway",
            Yaml.Mistake($"{corp}\nroutes: [{{ prefix: team, storage: built-in }}]"), StringComparison.Ordinal);
        Assert.Contains(
            $"{place}a repository's name", Yaml.Mistake(Trust(authority: "anyOf: [{ key: k }], signatureRepositories: ['*']")),
            StringComparison.Ordinal);
        var many = string.Join(", ", Enumerable.Range(0, TrustOptions.MaxSignatureRepositories + 1).Select(static i => $"sigs/{i}"));
        Assert.Contains(
            "expected at most 8 signatureRepositories",
            Yaml.Mistake(Trust(authority: $"anyOf: [{{ key: k }}], signatureRepositories: [{many}]")), StringComparison.Ordinal);
    }

    [Fact]
    public void Validity_of_a_key_is_read_and_null_means_none()
    {
        var key = Yaml.Good(Trust(", hash: sha384, notBefore: 2026-01-01, retiredAt: 2026-02-01T12:00:00+02:00, revokedAt: null"))
            .Policy!.Trust.Keys["k"];
        Assert.Equal(SignatureHash.Sha384, key.Hash);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), key.NotBefore);
        Assert.Equal(new DateTimeOffset(2026, 2, 1, 10, 0, 0, TimeSpan.Zero), key.RetiredAt);
        Assert.Null(key.RevokedAt);
    }

    [Fact]
    public void Signature_requirement_names_an_authority()
    {
        var policy = Yaml.Good(Trust()).Policy!;
        Assert.Equal(["k"], policy.Trust.Authorities["release"].AnyOf);
        var signature = Assert.Single(Assert.Single(policy.Rules).Require.Signatures);
        Assert.Equal(
            new("release") { AtLeast = 2, Coverage = IndexCoverage.Both, BindReference = BindReference.Required },
            signature with { Formats = [] });
    }

    [Fact]
    public void Renamed_key_changes_the_revision()
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
    [InlineData("", "anyOf: [{ key: kk }]", "'kk' is not a key of trust.keys; did you mean k?")]
    [InlineData("", "anyOf: []", "expected one of anyOf with keys, keyless with issuer and subject, and notation")]
    [InlineData("", "keyless: a, subject: b", "expected all of keyless, issuer and subject")]
    [InlineData("", "keyless: a, issuer: b", "expected all of keyless, issuer and subject")]
    [InlineData(", hash: md5", "anyOf: [{ key: k }]", "expected sha256 or sha384 or sha512")]
    [InlineData(", retiredAt: soon", "anyOf: [{ key: k }]", "expected a day such as 2026-12-31")]
    public void Mistake_in_trust_is_reported(string key, string authority, string expected) =>
        Assert.Contains(Yaml.Mistakes(Trust(key, authority)), mistake => mistake.Contains(expected, StringComparison.Ordinal));

    [Theory]
    [InlineData("\\n")]
    [InlineData(" ")]
    public void Private_key_in_place_of_a_public_one_is_not_shown(string newLine)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pem = key.ExportECPrivateKeyPem();
        var text = Trust(pem: "X").Replace("'X'", $"\"{pem.ReplaceLineEndings(newLine)}\"", StringComparison.Ordinal);

        var mistake = Yaml.Mistakes(text)[0];

        Assert.Contains("got a private key", mistake, StringComparison.Ordinal);
        Assert.DoesNotContain(pem.Split('\n')[1][..16], mistake, StringComparison.Ordinal);
    }

    [Fact]
    public void Key_path_with_a_line_ending_is_reported_on_one_line()
    {
        var text = Trust(pem: "X").Replace("'X'", "\"/nonexistent/a\\n-----b\\u2028\\e.pub\"", StringComparison.Ordinal);
        Assert.Matches(@"^gateway\.yaml:4:\d+: policy\.trust\.keys\.k\.pem: [ -~]+$", Yaml.Mistakes(text)[0]);
    }

    [Fact]
    public void Invalid_key_is_a_mistake_at_its_line()
    {
        Assert.Matches(
            @"^gateway\.yaml:4:\d+: policy\.trust\.keys\.k\.pem: expected a public key",
            Yaml.Mistakes(Trust(pem: "/nonexistent/key.pub"))[0]);
        File.WriteAllText(_keyFile, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        Assert.Contains("got BEGIN PRIVATE KEY", Yaml.Mistakes(Trust())[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Keyless_authority_needs_a_readable_root()
    {
        const string authority = "keyless: good, issuer: 'https://issuer.example', subject: { pattern: 'https://a/*' }";
        Assert.Contains("'good' is not a root of trust.keyless", Yaml.Mistakes(Trust("", authority))[0], StringComparison.Ordinal);
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
